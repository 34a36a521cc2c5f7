package streamtest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
)

// ledger is a source: a file to which lines are added, "set NAME TEXT" and "del NAME".
type ledger struct{ path string }

// Collections says what the source yields: one collection, named by nothing, of rows with a name and a text.
func (l ledger) Collections(context.Context) ([]cdc.Collection, error) {
	text := cdc.Type{Kind: cdc.String}
	return []cdc.Collection{{Schema: &cdc.Schema{Columns: []cdc.Column{{Name: "name", Type: text}, {Name: "text", Type: text}}, Key: []int{0}}}}, nil
}

// Run follows the file until ctx ends. A position is the place behind a line, so that a run which resumes begins with the line after it.
func (l ledger) Run(ctx context.Context, start cdc.Start, out cdc.Inlet) error {
	file, err := os.Open(l.path)
	if err != nil {
		return &cdc.SourceError{Code: "path_unreadable", Err: fmt.Errorf("open ledger: %w", err), Hint: "make the file, or correct the path"}
	}
	defer file.Close()
	r := reading{file: file, out: out}
	if r.at, err = placeOf(start.Resume); err != nil {
		return err
	}
	if len(start.Columns) > 0 {
		r.columns = start.Columns[0]
	}
	beat := time.NewTicker(10 * time.Millisecond)
	defer beat.Stop()
	for caught := false; ; {
		err := r.rest(ctx)
		if err == nil && !caught {
			caught, err = true, out.CaughtUp(ctx) // what stood in the file has been put
		}
		if ctx.Err() != nil {
			return nil // told to stop: no fault
		}
		if err != nil || start.Once {
			return err
		}
		select {
		case <-ctx.Done():
		case <-beat.C:
		}
	}
}

// reading is one run of a ledger.
type reading struct {
	file    *os.File
	out     cdc.Inlet
	columns []int // that rows have; nil: all
	at      int64
	row     cdc.RowBuilder
}

// linesAtOnce bounds a batch.
const linesAtOnce = 200

// rest puts the whole lines behind the place that was read last. Put blocks while the flow has enough to do.
func (r *reading) rest(ctx context.Context) error {
	lines := bufio.NewReader(io.NewSectionReader(r.file, r.at, 1<<62))
	for {
		batch := r.out.Batch()
		var line string
		var err error
		for batch.Len() < linesAtOnce {
			if line, err = lines.ReadString('\n'); err != nil {
				break // what is left of a line is still being written
			}
			r.at += int64(len(line))
			if err := r.add(batch, strings.TrimSuffix(line, "\n")); err != nil {
				return err
			}
		}
		if batch.Len() > 0 {
			if err := r.out.Put(ctx, batch); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read ledger: %w", err)
		}
	}
}

// add makes a transaction of a line.
func (r *reading) add(batch *cdc.Batch, line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	name, text, _ := strings.Cut(rest, " ")
	change := cdc.Change{Key: cdc.StringKey(name)}
	switch verb {
	case "set":
		change.Op = cdc.Update
		values := []string{name, text}
		r.row.Reset()
		for i, value := range values {
			if r.carries(i) {
				r.row.Text(value)
			}
		}
		batch.AddBuilt(change, &r.row)
	case "del":
		change.Op = cdc.Delete
		batch.Add(change)
	default:
		return &cdc.SourceError{Code: "bad_line", Err: fmt.Errorf("read ledger: %q is no line of one", line), Hint: "write set NAME TEXT, or del NAME"}
	}
	batch.Commit(cdc.Position(fmt.Sprintf("%020d", r.at)), 0)
	return nil
}

func (r *reading) carries(column int) bool {
	if r.columns == nil {
		return true
	}
	for _, c := range r.columns {
		if c == column {
			return true
		}
	}
	return false
}

func placeOf(p cdc.Position) (int64, error) {
	if p == "" {
		return 0, nil
	}
	return strconv.ParseInt(string(p), 10, 64)
}

// desk is the world of a ledger, with a hand that writes.
type desk struct{ ledger }

func (d desk) Source() (cdctest.Source, error) { return d.ledger, nil }

func (d desk) Write(key, value string) error { return d.write("set " + key + " " + value) }

func (d desk) Delete(key string) error { return d.write("del " + key) }

func (d desk) Read(c cdc.Change) (key, value string, err error) {
	if c.After != nil && c.After.Len() == 2 {
		value = c.After.At(1).Text()
	}
	return c.Key.Text(), value, nil
}

func (d desk) write(line string) error {
	file, err := os.OpenFile(d.path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString(line + "\n")
	return errors.Join(err, file.Close())
}

func TestLedgerConforms(t *testing.T) {
	cdctest.TestSource(t, func(t *testing.T) cdctest.Harness {
		d := desk{ledger{t.TempDir() + "/ledger"}}
		if err := os.WriteFile(d.path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return d
	})
}
