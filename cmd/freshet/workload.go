package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/internal/machine"
	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/engine"
)

//go:embed bench/flow.yaml
var benchFlow []byte

// workload is a folder of documents that are edited, and the flow over them.
type workload struct {
	*session
	dir       string
	sentences []string // of the demo's handbook: words as people write them
	random    *rand.Rand
	figures   *benched
	lasting   time.Duration // of edits and questions, half of it each
	awaited   atomic.Pointer[string]
	held      chan struct{} // one place: the index has come to hold the document that is awaited
}

// Of a document of the workload.
const (
	benchSections  = 4
	benchSentences = 6 // of a section
)

// workload runs the built-in workload in a folder of its own and fills in its figures.
func (c *cli) workload(ctx context.Context, b *benched, lasting time.Duration) (err error) {
	dir, err := os.MkdirTemp("", "freshet-bench-")
	if err != nil {
		return newFault("path_unreadable", "name a folder that can be written with TMPDIR", "make a folder for the workload: %v", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w := &workload{dir: dir, random: rand.New(rand.NewPCG(1, uint64(b.Rows))), figures: b, lasting: lasting, held: make(chan struct{}, 1)}
	if err := w.lay(); err != nil {
		return err
	}
	c.note("%s; the flow over them begins", console.Counted(int64(b.Rows), "document is written", "documents are written"))
	if err := c.inside(w).run(ctx, w); err != nil {
		return err
	}
	b.StateBytes, err = folderBytes(filepath.Join(dir, ".freshet"))
	return err
}

// inside is the cli of the workload's flow, whose state lies with it.
func (c *cli) inside(w *workload) *cli {
	own := *c
	own.state = statePlace(filepath.Join(w.dir, demoFlow), "bench")
	return &own
}

// benchMemory is the limits.memory under which the index of so many documents fits: 600 bytes for a row of 256 numbers, of
// which sinks have a quarter, and a quarter of that is for other things.
func benchMemory(rows int) int64 {
	return max(512<<20, int64(rows)*(benchSections+1)*600*16/3)
}

// lay writes the flow file and the documents.
func (w *workload) lay() error {
	if err := w.read(); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(w.dir, "docs"), 0o700); err != nil {
		return fmt.Errorf("write workload: %w", err)
	}
	flow := bytes.Replace(benchFlow, []byte("MEMORY"), fmt.Appendf(nil, "%dMiB", benchMemory(w.figures.Rows)>>20), 1)
	if err := os.WriteFile(filepath.Join(w.dir, demoFlow), flow, 0o600); err != nil {
		return fmt.Errorf("write workload: %w", err)
	}
	for i := range w.figures.Rows {
		text := w.document(i, 0)
		w.figures.TextBytes += int64(len(text))
		if err := os.WriteFile(filepath.Join(w.dir, "docs", documentName(i)), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write workload: %w", err)
		}
	}
	return nil
}

// read takes the sentences of the demo's handbook.
func (w *workload) read() error {
	return fs.WalkDir(demoFiles, "demo/handbook", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := demoFiles.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read sentences: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			for _, sentence := range strings.SplitAfter(line, ". ") {
				w.sentences = append(w.sentences, strings.TrimSpace(sentence))
			}
		}
		return nil
	})
}

func documentName(i int) string { return fmt.Sprintf("%07d.md", i) }

// document is a text of its own: no section of it is one of another document, or of another version.
func (w *workload) document(i, version int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Document %d\n", i)
	for section := range benchSections {
		fmt.Fprintf(&b, "\n## Part %d\n\n", section)
		for range benchSentences {
			b.WriteString(w.sentence() + " ")
		}
		fmt.Fprintf(&b, "This is note %d of document %d.\n", section, i)
	}
	if version > 0 {
		fmt.Fprintf(&b, "It was revised %d times.\n", version)
	}
	return b.String()
}

func (w *workload) sentence() string { return w.sentences[w.random.IntN(len(w.sentences))] }

// run loads the documents, edits some of them and asks questions, in one session of the flow.
func (c *cli) run(ctx context.Context, w *workload) (err error) {
	f, err := c.open(ctx, filepath.Join(w.dir, demoFlow))
	if err != nil {
		return err
	}
	machine.KeepWithin(engine.HeapBytes(f.plan.Limits))
	began, used := time.Now(), machine.CPUTime()
	if w.session, err = f.begin(ctx, engine.Options{}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.end()) }()
	g, running := errgroup.WithContext(ctx)
	g.Go(func() error { return w.engine.Run(running) })
	g.Go(func() error { return w.follow(running) })
	g.Go(func() error {
		if err := untilReady(running, w.engine); err != nil {
			return err
		}
		w.loaded(time.Since(began), machine.CPUTime()-used)
		c.note("they are loaded; documents are edited and questions asked for %s", console.Lasting(w.lasting))
		if err := w.edit(running); err != nil {
			return err
		}
		if err := w.search(running); err != nil {
			return err
		}
		return errMeasured
	})
	if err := g.Wait(); !errors.Is(err, errMeasured) {
		return err
	}
	return ctx.Err()
}

// errMeasured ends the flow of a workload: everything has been measured.
var errMeasured = errors.New("everything is measured")

func (w *workload) loaded(took, used time.Duration) {
	b, s := w.figures, w.engine.Status()
	b.LoadSeconds, b.LoadCPU = took.Seconds(), used.Seconds()
	b.Embeddings = s.Steps["vectors"].CallsTotal
	b.RowsPerSecond, b.EmbedPerSec = float64(b.Rows)/b.LoadSeconds, float64(b.Embeddings)/b.LoadSeconds
}

// editTime bounds the wait for one edit.
const editTime = 30 * time.Second

// follow tells of the document that is awaited once the index holds it. It begins long before the first edit: what happens
// while nobody listens is told to nobody.
func (w *workload) follow(ctx context.Context) error {
	return stopped(ctx, w.engine.Changes(ctx, func(change engine.ChangeEvent, _ int) error {
		if name := w.awaited.Load(); name != nil && *name == change.Key {
			w.awaited.Store(nil)
			w.held <- struct{}{}
		}
		return nil
	}))
}

// edit replaces documents, one after the other, and takes the time until the index holds each.
func (w *workload) edit(ctx context.Context) error {
	var times []time.Duration
	for end := time.Now().Add(w.lasting / 2); time.Now().Before(end); {
		took, err := w.replace(ctx, w.random.IntN(w.figures.Rows), len(times)+1)
		if err != nil {
			return err
		}
		times = append(times, took)
	}
	w.figures.Edits, w.figures.FreshnessMS = len(times), percentilesOf(times)
	return nil
}

// replace puts a new version of a document in place, as an editor does, and waits until the index holds it.
func (w *workload) replace(ctx context.Context, i, version int) (time.Duration, error) {
	name := documentName(i)
	draft := filepath.Join(w.dir, "draft")
	if err := os.WriteFile(draft, []byte(w.document(i, version)), 0o600); err != nil {
		return 0, fmt.Errorf("edit document: %w", err)
	}
	w.awaited.Store(&name)
	began := time.Now()
	if err := os.Rename(draft, filepath.Join(w.dir, "docs", name)); err != nil {
		return 0, fmt.Errorf("edit document: %w", err)
	}
	late := time.NewTimer(editTime)
	defer late.Stop()
	select {
	case <-w.held:
		return time.Since(began), nil
	case <-late.C:
		return 0, newFault("timeout", "look at the disk and at what else the machine does", "the index does not hold %s after %s", name, console.Lasting(editTime))
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// benchHits is how many rows each question asks for.
const benchHits = 10

// search asks questions, one after the other.
func (w *workload) search(ctx context.Context) error {
	var times []time.Duration
	for end := time.Now().Add(w.lasting / 2); time.Now().Before(end); {
		began := time.Now()
		found, err := api.Find(ctx, w.engine, api.Question{Text: w.sentence(), K: benchHits})
		if err != nil {
			return err
		}
		if len(found.Hits) == 0 {
			return errors.New("search the workload: nothing is found")
		}
		times = append(times, time.Since(began))
	}
	w.figures.Searches, w.figures.SearchMS = len(times), percentilesOf(times)
	return nil
}

// folderBytes are those of the files below a folder.
func folderBytes(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("measure state: %w", err)
	}
	return sum, nil
}
