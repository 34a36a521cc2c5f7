package files_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/files"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// corpus is a folder on disk and the inlet of a flow that reads it.
type corpus struct {
	t       *testing.T
	dir     string
	options files.Options
	omit    []string
	in      *cdctest.Inlet
	stop    context.CancelFunc
	ended   chan error
}

func newCorpus(t *testing.T, texts map[string]string) *corpus {
	t.Helper()
	c := &corpus{t: t, dir: filepath.Join(t.TempDir(), "docs"), in: cdctest.NewInlet()}
	c.must(os.Mkdir(c.dir, 0o755))
	for rel, text := range texts {
		c.write(rel, text)
	}
	return c
}

func (c *corpus) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *corpus) path(rel string) string { return filepath.Join(c.dir, rel) }

func (c *corpus) write(rel, text string) {
	c.t.Helper()
	c.must(os.MkdirAll(filepath.Dir(c.path(rel)), 0o755))
	c.must(os.WriteFile(c.path(rel), []byte(text), 0o644))
}

// replace writes as an editor does: a file beside, renamed over the old one.
func (c *corpus) replace(rel, text string) {
	c.t.Helper()
	c.must(os.MkdirAll(filepath.Dir(c.path(rel)), 0o755))
	c.must(os.WriteFile(c.path(".edit"), []byte(text), 0o644))
	c.must(os.Rename(c.path(".edit"), c.path(rel)))
}

func (c *corpus) rename(from, to string) {
	c.t.Helper()
	c.must(os.MkdirAll(filepath.Dir(c.path(to)), 0o755))
	c.must(os.Rename(c.path(from), c.path(to)))
}

func (c *corpus) remove(rel string) {
	c.t.Helper()
	c.must(os.RemoveAll(c.path(rel)))
}

// rest ages every file beyond the tick in which two writes look like one.
func (c *corpus) rest() { <-time.After(30 * time.Millisecond) }

func (c *corpus) source() *files.Source {
	c.t.Helper()
	o := c.options
	o.Path = c.dir
	s, err := files.New(o)
	c.must(err)
	s.Omit(c.omit...)
	return s
}

// once runs the source until it is exhausted, behind what was durable before, and returns its error.
func (c *corpus) once(adapt ...func(*cdc.Start)) error {
	c.t.Helper()
	c.in = c.in.Crash()
	start := c.in.Start()
	start.Once = true
	for _, a := range adapt {
		a(&start)
	}
	return errors.Join(c.source().Run(c.t.Context(), start, c.in), c.in.Verify())
}

// load is once without an error.
func (c *corpus) load() {
	c.t.Helper()
	c.must(c.once())
}

// follow starts the source as a service; it is caught up on return.
func (c *corpus) follow() {
	c.t.Helper()
	c.in = c.in.Crash()
	source, start := c.source(), c.in.Start()
	ctx, stop := context.WithCancel(c.t.Context())
	c.stop, c.ended = stop, make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { c.ended <- source.Run(ctx, start, c.in) })
	c.t.Cleanup(running.Wait)
	c.t.Cleanup(c.halt)
	c.wait("caught up", func() bool { return c.in.Caught() > 0 })
}

// halt stops the service; it may be called twice.
func (c *corpus) halt() {
	c.t.Helper()
	if c.stop == nil {
		return
	}
	c.stop()
	c.stop = nil
	if err := errors.Join(<-c.ended, c.in.Verify()); err != nil {
		c.t.Error(err)
	}
}

func (c *corpus) wait(what string, done func() bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	c.must(c.in.Wait(ctx, what, done))
}

// texts are the rows by path with their text; a null text is "<null>".
func (c *corpus) texts() map[string]string {
	got := make(map[string]string)
	for name, row := range c.in.Rows() {
		if text := row.At(2); text.State == cdc.Null {
			got[name[2:]] = "<null>"
		} else {
			got[name[2:]] = text.Text()
		}
	}
	return got
}

// holds checks the rows now.
func (c *corpus) holds(want map[string]string) {
	c.t.Helper()
	if diff := cmp.Diff(want, c.texts()); diff != "" {
		c.t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// reaches waits until the rows are those of the disk.
func (c *corpus) reaches(want map[string]string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	if err := c.in.Wait(ctx, "rows", func() bool { return cmp.Equal(want, c.texts()) }); err != nil {
		c.t.Fatalf("%v\nrows (-want +got):\n%s", err, cmp.Diff(want, c.texts()))
	}
}

// disk is what the rows should be: the texts of the regular files.
func (c *corpus) disk() map[string]string {
	c.t.Helper()
	want := make(map[string]string)
	c.must(filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		rel, _ := filepath.Rel(c.dir, path)
		want[filepath.ToSlash(rel)] = string(text)
		return err
	}))
	return want
}

// ops lists the changes as "op key".
func (c *corpus) ops() []string {
	var ops []string
	for _, p := range c.in.Puts() {
		ops = append(ops, p.Op.String()+" "+p.Key.Text())
	}
	return ops
}

// fault is the SourceError that the run ended with or the source tells.
func fault(err error) *cdc.SourceError {
	e, _ := errors.AsType[*cdc.SourceError](err)
	if e == nil {
		return &cdc.SourceError{Code: "none", Err: errors.New("no source error")}
	}
	return e
}
