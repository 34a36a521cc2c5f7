package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/engine"
)

//go:embed demo
var demoFiles embed.FS

// What the demo proposes: a file that is worth editing, and words that find something.
const (
	demoFlow  = "flow.yaml"
	demoEdit  = "handbook/billing.md"
	demoQuery = "can I get my money back"
)

func (c *cli) demoVerb() *cobra.Command {
	v := service{}
	dir := ""
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try it: a folder of documents, kept searchable while you edit it",
		Long: `Demo writes a small handbook and a flow file into a folder and runs the flow: files,
sections, vectors, a search index. It needs no network and nothing installed, and
it is the product itself: what it runs is an ordinary flow file of yours from then
on. Started again on the same folder, it goes on where it was.`,
		Args: takes(),
	}
	cmd.Flags().StringVar(&dir, "dir", "freshet-demo", "folder to write to")
	v.serving.flags(cmd)
	cmd.RunE = c.verb(func(cmd *cobra.Command, _ []string) (result, error) {
		if err := layDemo(dir); err != nil {
			return result{}, err
		}
		v.path = filepath.Join(dir, demoFlow)
		d := &demo{cli: c, dir: dir, path: v.path, began: time.Now()}
		v.beside = d.tell
		return c.serve(cmd.Context(), &v)
	})
	return cmd
}

// layDemo writes the files of the demo, unless the folder has a flow file already: what was edited stays.
func layDemo(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, demoFlow)); err == nil {
		return nil
	}
	if names, err := os.ReadDir(dir); err == nil && len(names) > 0 {
		return usage("name a new folder with --dir, or an earlier demo's", "the folder %s is not empty and holds no demo", dir)
	}
	inside, err := fs.Sub(demoFiles, "demo")
	if err != nil {
		return fmt.Errorf("read demo: %w", err)
	}
	if err := os.CopyFS(dir, inside); err != nil {
		return newFault("path_unreadable", "name a folder that can be written with --dir", "write demo: %v", err)
	}
	return nil
}

// demo tells people, or programs, what the flow does while they edit its files.
type demo struct {
	*cli
	dir, path string
	began     time.Time
}

// demoReady is the event of a demo that has loaded its corpus.
type demoReady struct {
	Event string `json:"event"`
	Flow  string `json:"flow"`
	Edit  string `json:"edit"`
	Query string `json:"query"`
}

// readyBeat is how often it is looked whether the first load is done.
const readyBeat = 10 * time.Millisecond

// tell greets once the first load is done, and tells of every change after it. It follows the changes from
// before the load on, so that none falls between.
func (d *demo) tell(ctx context.Context, s *session, page string) error {
	g, ctx := errgroup.WithContext(ctx)
	var loaded atomic.Uint64 // the epoch that ends the first load; 0 before
	g.Go(func() error {
		return s.engine.Changes(ctx, func(change engine.ChangeEvent, _ int) error {
			if last := loaded.Load(); last == 0 || change.Epoch <= last {
				return nil
			}
			return d.change(s, change)
		})
	})
	g.Go(func() error {
		if err := untilReady(ctx, s.engine); err != nil {
			return err
		}
		loaded.Store(max(s.engine.Status().Epoch, 1)) // it ends the first load
		return d.greet(s, page)
	})
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// untilReady waits for the first load.
func untilReady(ctx context.Context, e *engine.Engine) error {
	timer := time.NewTicker(readyBeat)
	defer timer.Stop()
	for {
		if ready, _ := e.Ready(); ready {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// greet says what can be done now.
func (d *demo) greet(s *session, page string) error {
	edit := filepath.Join(d.dir, filepath.FromSlash(demoEdit))
	if d.json {
		return d.line(demoReady{Event: "ready", Flow: d.path, Edit: edit, Query: demoQuery})
	}
	status := s.engine.Status()
	fmt.Fprintf(d.out, "\n%s → %s → searchable after %s\n\n", console.Counted(status.Sources["docs"].ChangesTotal, "document", "documents"),
		console.Counted(status.Sinks["index"].Rows, "section", "sections"), console.Lasting(time.Since(d.began)))
	table(d.out, [][]string{
		{"  console", page},
		{"  search", fmt.Sprintf("freshet query %s %q", d.path, demoQuery)},
		{"  edit", edit + ": change a sentence, save, and watch"},
		{"  trace", fmt.Sprintf("freshet lineage %s docs/billing.md", d.path)},
		{"  stop", "Ctrl-C; started again, the demo goes on where it was"}})
	fmt.Fprintln(d.out)
	return nil
}

// change tells what an edit has come to.
func (d *demo) change(s *session, change engine.ChangeEvent) error {
	if d.json {
		return d.line(change)
	}
	rows := 0
	var unknown *engine.NotFoundError
	found, err := s.engine.Lineage(change.Source + "/" + change.Key)
	if err != nil && !errors.As(err, &unknown) { // it is deleted
		return err
	}
	if found != nil {
		for _, n := range found.Downstream {
			if n.Kind == "sink" {
				rows++
			}
		}
	}
	fmt.Fprintln(d.out, changeLine(time.Now(), change, rows))
	return nil
}

// changeLine is what one edit has come to, on one line. rows is what the document has now.
func changeLine(now time.Time, change engine.ChangeEvent, rows int) string {
	at := now.Format("15:04:05")
	if rows == 0 {
		return fmt.Sprintf("%s %s  removed → %s gone %.0f ms after it was seen", at, visible(change.Key), console.Counted(int64(change.Deletes), "section", "sections"), change.FreshMS)
	}
	kept := rows - change.Upserts
	return fmt.Sprintf("%s %s  %d of %s changed → %d embedded, %d kept → searchable %.0f ms after it was seen", at, visible(change.Key),
		change.Upserts, console.Counted(int64(rows), "section", "sections"), change.Calls, kept, change.FreshMS)
}
