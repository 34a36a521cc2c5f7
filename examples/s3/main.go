// Command s3 is the example of a bucket: it serves a folder as one, runs the flow file beside it as a user would, changes the
// bucket and runs it again. Nothing but this machine is needed.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/freshet/freshet/cdc/s3/s3test"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	work, err := os.MkdirTemp("", "freshet-example-s3-")
	if err == nil {
		e := example{freshet: []string{"go", "run", "./cmd/freshet"}, dir: filepath.Join("examples", "s3"), work: work, out: os.Stdout}
		err = errors.Join(e.run(ctx), os.RemoveAll(work))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// example is one run of the whole.
type example struct {
	freshet []string  // the command
	dir     string    // of the flow file
	work    string    // for the state and the log
	out     io.Writer // what is told

	endpoint string
	bucket   *s3test.Bucket
}

func (e *example) run(ctx context.Context) error {
	e.bucket = s3test.NewBucket("handbook")
	if err := e.fill(); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	e.endpoint = "http://" + listener.Addr().String()
	server := &http.Server{Handler: &s3test.Server{Bucket: e.bucket}, ReadHeaderTimeout: 10 * time.Second}
	var serving sync.WaitGroup
	defer serving.Wait()
	defer server.Close()
	serving.Go(func() { _ = server.Serve(listener) }) // ends when it is closed

	steps := []struct {
		what   string
		change func()
	}{
		{"three pages", func() {}},
		{"nothing has changed", func() {}},
		{"a page is changed, one is deleted", func() {
			page, _ := e.bucket.Head("pages/returns.md")
			e.bucket.Put(page.Key, strings.Replace(string(page.Content), "30 days", "45 days", 1))
			e.bucket.Delete("pages/shipping.md")
		}},
	}
	for _, s := range steps {
		s.change()
		if err := e.step(ctx, s.what); err != nil {
			return err
		}
	}
	return nil
}

// fill puts the pages of the folder into the bucket, and one that the flow's prefix leaves out.
func (e *example) fill() error {
	pages, err := filepath.Glob(filepath.Join(e.dir, "pages", "*.md"))
	if err != nil || len(pages) == 0 {
		return fmt.Errorf("find the pages: run this in the root of the checkout: %w", errors.Join(err, os.ErrNotExist))
	}
	for _, name := range pages {
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read page: %w", err)
		}
		e.bucket.Put("pages/"+filepath.Base(name), string(text))
	}
	e.bucket.Put("drafts/returns.md", "A parcel can be sent back within a year, some think.")
	return nil
}

// step runs the flow, and tells what was fetched, what the log gained, and what a search finds.
func (e *example) step(ctx context.Context, what string) error {
	fetched, lines := len(e.bucket.Fetched()), e.lines()
	if _, err := e.command(ctx, "run", "--once"); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "%s: %d objects fetched, %d rows written\n", what, len(e.bucket.Fetched())-fetched, e.lines()-lines)
	found, err := e.command(ctx, "query", "when can I send a parcel back?", "-k", "1", "--json")
	if err != nil {
		return err
	}
	var answer struct {
		Data struct {
			Hits []struct {
				Row struct{ Path, Chunk string }
			}
		}
	}
	if err := json.Unmarshal([]byte(found), &answer); err != nil {
		return fmt.Errorf("read what the search found: %w", err)
	}
	for _, h := range answer.Data.Hits {
		fmt.Fprintf(e.out, "  a search finds %s: %q\n", h.Row.Path, h.Row.Chunk)
	}
	return nil
}

// lines are those of the change log.
func (e *example) lines() int {
	text, err := os.ReadFile(e.log())
	if err != nil {
		return 0 // before the first run
	}
	return bytes.Count(text, []byte("\n"))
}

func (e *example) log() string { return filepath.Join(e.work, "log.jsonl") }

// command runs a verb on the flow.
func (e *example) command(ctx context.Context, verb string, more ...string) (string, error) {
	args := append(e.freshet[1:len(e.freshet):len(e.freshet)], verb, filepath.Join(e.dir, "flow.yaml"), "--state", filepath.Join(e.work, "state"))
	c := exec.CommandContext(ctx, e.freshet[0], append(args, more...)...)
	c.Env = append(os.Environ(), "S3_BUCKET=handbook", "S3_ENDPOINT="+e.endpoint, "S3_LOG="+e.log(),
		"AWS_ACCESS_KEY_ID=example", "AWS_SECRET_ACCESS_KEY=example")
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("freshet %s: %w: %s", verb, err, said.String())
	}
	return out.String(), nil
}
