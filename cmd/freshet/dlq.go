package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/engine"
)

func (c *cli) letterVerbs() *cobra.Command {
	cmd := &cobra.Command{Use: "dlq", Short: "Show, retry and discard dead letters: rows that could not be processed", Args: knownVerb,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage("`freshet dlq ls FLOW` lists the dead letters", "name a verb of %s", cmd.CommandPath())
		}}
	cmd.AddCommand(c.letterList(), c.letterShow(), c.letterChange("retry", "Try dead letters again"),
		c.letterChange("discard", "Drop dead letters; their rows stay out until they change"))
	return cmd
}

func (c *cli) letterList() *cobra.Command {
	cmd := &cobra.Command{Use: "ls FLOW", Short: "List dead letters with their cause", Args: takes("flow file")}
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		items, err := c.deadLetters(cmd.Context(), args[0])
		if err != nil {
			return result{}, err
		}
		return result{data: items, text: func(w io.Writer) { showLetters(w, items.Items) }}, nil
	})
	return cmd
}

// deadLetters lists those of a flow that runs or is stopped.
func (c *cli) deadLetters(ctx context.Context, path string) (*api.Items, error) {
	return either(ctx, c.locally(), path, func(p *peer) (*api.Items, error) {
		found := &api.Items{}
		return found, p.ask(ctx, http.MethodGet, "/api/v1/dlq", nil, found)
	}, func(f *flow) (*api.Items, error) { return letters(f, true, engine.DeadLetters) })
}

// letters does something with the dead letters of a stopped flow; one that never ran has none.
func letters(f *flow, readOnly bool, do func(*statestore.DB) ([]engine.DeadLetter, error)) (*api.Items, error) {
	if !f.exists() {
		return &api.Items{Items: []engine.DeadLetter{}}, nil
	}
	return holding(f, readOnly, func(db *statestore.DB) (*api.Items, error) {
		found, err := do(db)
		return &api.Items{Items: found}, err
	})
}

func (c *cli) letterShow() *cobra.Command {
	cmd := &cobra.Command{Use: "show FLOW ID", Short: "Show a dead letter with its input", Args: takes("flow file", "id")}
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		ctx, id := cmd.Context(), args[1]
		letter, err := either(ctx, c.locally(), args[0], func(p *peer) (*engine.DeadLetter, error) {
			found := &engine.DeadLetter{}
			return found, p.ask(ctx, http.MethodGet, "/api/v1/dlq/"+url.PathEscape(id), nil, found)
		}, func(f *flow) (*engine.DeadLetter, error) {
			if !f.exists() {
				return nil, unknownLetter(args[0], id)
			}
			return reading(f, func(db *statestore.DB) (*engine.DeadLetter, error) {
				found, ok, err := engine.FindDeadLetter(db, id)
				if err == nil && !ok {
					err = unknownLetter(args[0], id)
				}
				return &found, err
			})
		})
		if err != nil {
			return result{}, err
		}
		return result{data: letter, text: func(w io.Writer) { showLetter(w, letter) }}, nil
	})
	return cmd
}

func unknownLetter(path, id string) *fault {
	return newFault("not_found", fmt.Sprintf("`freshet dlq ls %s` lists them", path), "no dead letter has the id %q", id)
}

// letterChange is retry or discard.
func (c *cli) letterChange(verb, short string) *cobra.Command {
	var all bool
	cmd := &cobra.Command{Use: verb + " FLOW {ID | --all}", Short: short}
	cmd.Flags().BoolVar(&all, "all", false, "all dead letters")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if all {
			return takes("flow file")(cmd, args)
		}
		return takes("flow file", "id (or --all)")(cmd, args)
	}
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		choice := api.Choice{All: all}
		if !all {
			choice.ID = args[1]
		}
		items, err := c.changeLetters(cmd.Context(), args[0], verb, choice)
		if err != nil {
			return result{}, err
		}
		return result{data: items, text: func(w io.Writer) {
			if len(items.Items) == 0 {
				fmt.Fprintln(w, "no dead letters")
				return
			}
			done := map[string]string{"retry": "to be tried again", "discard": "discarded"}[verb]
			fmt.Fprintf(w, "%s: %s\n", done, grouped(int64(len(items.Items))))
			showLetters(w, items.Items)
		}}, nil
	})
	return cmd
}

func (c *cli) changeLetters(ctx context.Context, path, verb string, choice api.Choice) (*api.Items, error) {
	return either(ctx, c.locally(), path, func(p *peer) (*api.Items, error) {
		found := &api.Items{}
		return found, p.ask(ctx, http.MethodPost, "/api/v1/dlq/"+verb, choice, found)
	}, func(f *flow) (*api.Items, error) {
		do := engine.MarkRetry
		if verb == "discard" {
			do = engine.DiscardStopped
		}
		items, err := letters(f, false, func(db *statestore.DB) ([]engine.DeadLetter, error) { return do(db, choice.ID) })
		if err == nil && choice.ID != "" && len(items.Items) == 0 {
			err = unknownLetter(path, choice.ID)
		}
		return items, err
	})
}

func showLetters(w io.Writer, all []engine.DeadLetter) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no dead letters")
		return
	}
	rows := [][]string{{"id", "step", "source", "key", "code", "tries", "at", "message"}}
	for i := range all {
		l := &all[i]
		rows = append(rows, []string{l.ID, l.Step, l.Source, l.Key, l.Code, grouped(int64(l.Attempts)), toSeconds(l.At), l.Message})
	}
	table(w, rows)
}

func showLetter(w io.Writer, l *engine.DeadLetter) {
	table(w, [][]string{{"id", l.ID}, {"step", l.Step}, {"source", l.Source}, {"key", l.Key}, {"code", l.Code}, {"message", l.Message},
		{"tries", grouped(int64(l.Attempts))}, {"at", l.At}})
	if len(l.Input) == 0 {
		return
	}
	var b bytes.Buffer
	if json.Indent(&b, l.Input, "", "  ") == nil {
		fmt.Fprintf(w, "\n%s\n", visible(b.String()))
	}
}

// toSeconds leaves out of a time what nobody reads in a table.
func toSeconds(at string) string {
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return at
	}
	return t.Format(time.RFC3339)
}
