package main

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/stream"
)

//go:embed templates
var templateFiles embed.FS

// templates are the flow files that init writes, with what each is for.
func templates() map[string]string {
	return map[string]string{
		"folder": "a folder made searchable with the built-in model: nothing else is needed",
		"openai": "a folder made searchable with an embedding model of OpenAI, or of a server that speaks its protocol",
		"s3":     "the objects of a bucket of S3 made searchable with the built-in model",
	}
}

// written is what init has done.
type written struct {
	File     string `json:"file"`
	Flow     string `json:"flow"` // its name
	Template string `json:"template"`
}

func (c *cli) initVerb() *cobra.Command {
	var template, source, url, sink string
	var force bool
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a flow file from a template, or from the tables of a database",
		Long: `Init writes a flow file to begin with, flow.yaml where no FILE is named. A file that
is there already stays as it is, unless --force.

With --from-db it reads the catalog of a PostgreSQL database and proposes a flow over
the tables of schema public that have a key: long texts are cut into chunks, embedded
with the built-in model and searched, tables without prose become a log of changes.
It makes nothing on the server and fetches no row. The URL does not get into the file:
the file names a variable of the environment that holds it. What is searched lies in
the flow's own index or, with --sink pgvector, in tables of the same database.

Templates:
  folder   ` + templates()["folder"] + `
  openai   ` + templates()["openai"] + `
  s3       ` + templates()["s3"],
		Example: `  freshet init --template openai
  freshet init --template s3 --source s3://handbook/pages/
  freshet init --from-db '${PG_URL}'     # so the password stays out of the history of the shell
  freshet init --from-db '${PG_URL}' --sink pgvector
  freshet init shop.yaml --from-db postgres://freshet_reader@127.0.0.1:5432/shop`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return takes("file")(cmd, args)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&template, "template", "folder", "which template: folder, openai or s3")
	cmd.Flags().StringVar(&source, "source", "", "what to read: a folder, relative to the flow file, or s3://BUCKET/PREFIX (default ./docs, or the bucket that S3_BUCKET names)")
	cmd.Flags().BoolVar(&force, "force", false, "write over a file that is there")
	cmd.Flags().StringVar(&sink, "sink", sinkEmbedded, "with --from-db, where that is kept which is searched: vector or pgvector")
	cmd.Flags().StringVar(&url, "from-db", "", "propose a flow over the tables of this database: a URL, or ${NAME} in single quotes")
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		path := "flow.yaml"
		if len(args) == 1 {
			path = args[0]
		}
		if cmd.Flags().Changed("from-db") {
			for _, other := range []string{"template", "source", "force"} {
				if cmd.Flags().Changed(other) {
					return result{}, usage("leave --"+other+" out", "--from-db and --%s do not go together", other)
				}
			}
			if sink != sinkEmbedded && sink != sinkTables {
				return result{}, usage(stream.DidYouMean("sinks", sink, []string{sinkTables, sinkEmbedded}), "--sink is %q", sink)
			}
			done, err := c.fromDatabase(cmd.Context(), path, url, sink)
			if err != nil {
				return result{}, err
			}
			return result{data: done, text: done.show}, nil
		}
		if cmd.Flags().Changed("sink") {
			return result{}, usage("name the database with --from-db, or leave --sink out", "--sink goes with --from-db alone")
		}
		if err := writeTemplate(path, template, source, force); err != nil {
			return result{}, err
		}
		return result{data: written{File: path, Flow: flowName(path), Template: template}, text: func(w io.Writer) {
			fmt.Fprintf(w, "wrote %s\n\nnext:\n  freshet validate %[1]s\n  freshet run %[1]s\n", path)
		}}, nil
	})
	return cmd
}

// plainPath is a path that needs no quotes in a flow file.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9_./-]+$`)

func writeTemplate(path, template, source string, force bool) error {
	known := templates()
	if _, ok := known[template]; !ok {
		names := make([]string, 0, len(known))
		for name := range known {
			names = append(names, name)
		}
		slices.Sort(names)
		return usage(stream.DidYouMean("templates", template, names), "there is no template %q", template)
	}
	holes, err := templateHoles(template, source)
	if err != nil {
		return err
	}
	text, err := templateFiles.ReadFile("templates/" + template + ".yaml")
	if err != nil {
		return fmt.Errorf("read template: %w", err)
	}
	filled := strings.NewReplacer(append(holes, "FLOW-NAME", flowName(path))...).Replace(string(text))
	return writeFlow(path, filled, force)
}

// templateHoles are the places of a template that its source fills, each with what stands there.
func templateHoles(template, source string) ([]string, error) {
	if template != "s3" {
		if source == "" {
			source = "./docs"
		}
		if !plainPath.MatchString(source) {
			return nil, usage("write the path into the flow file yourself, in quotes", "the folder %q has characters that a template cannot take", source)
		}
		return []string{"FLOW-SOURCE", source}, nil
	}
	if source == "" {
		return []string{"FLOW-BUCKET", `"${S3_BUCKET}"`, "FLOW-PREFIX", `""`}, nil
	}
	rest, ok := strings.CutPrefix(source, "s3://")
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !ok || !plainPath.MatchString(rest) || bucket == "" {
		return nil, usage("write --source s3://BUCKET/PREFIX, such as s3://handbook/pages/", "%q is no bucket that a template can take", source)
	}
	return []string{"FLOW-BUCKET", bucket, "FLOW-PREFIX", `"` + prefix + `"`}, nil
}

// writeFlow writes a flow file, over one that is there only if force says so.
func writeFlow(path, text string, force bool) error {
	flags := os.O_CREATE | os.O_WRONLY | os.O_EXCL
	if force {
		flags = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return usage("name another file, or write over it with --force", "%s is there already", path)
	}
	if err != nil {
		return newFault("path_unreadable", "name a file in a folder that can be written", "write flow file: %v", err)
	}
	_, err = io.WriteString(f, text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write flow file: %w", err)
	}
	return nil
}

// notInName are the characters that a name cannot have.
var notInName = regexp.MustCompile(`[^a-z0-9_-]+`)

// flowName makes a name of that of the file or, where the file is flow.yaml, of its folder.
func flowName(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if absolute, err := filepath.Abs(path); name == "flow" && err == nil {
		name = filepath.Base(filepath.Dir(absolute))
	}
	name = strings.Trim(notInName.ReplaceAllString(strings.ToLower(name), "-"), "-_0123456789")
	if len(name) > 40 {
		name = name[:40]
	}
	if stream.CheckName(name) != nil {
		return "docs"
	}
	return name
}
