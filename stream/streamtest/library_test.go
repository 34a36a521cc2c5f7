package streamtest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
)

// Note is a row of the ledger, as this program reads it.
type Note struct {
	Name string `freshet:",key"`
	Text string
}

// Word is what is made of it. Word is its key, behind that of the note.
type Word struct {
	Word  string `freshet:",key"`
	Times int
}

// words counts the words of a note. An error would reject the note, and no other.
func words(n Note) ([]Word, error) {
	var found []Word
	at := map[string]int{}
	for _, w := range strings.Fields(n.Text) {
		if i, ok := at[w]; ok {
			found[i].Times++
			continue
		}
		at[w] = len(found)
		found = append(found, Word{Word: w, Times: 1})
	}
	return found, nil
}

// declare says what flows where. Nothing is read yet.
func declare(path string, target *shelf) *stream.Flow {
	f := stream.New("notes")
	notes := stream.From[Note](f, "notes", ledger{path})
	counted := stream.FlatMap(notes, "words", stream.Version(1), words)
	stream.Into(counted, "shelf", onShelf{target}, stream.SinkOptions{})
	return f
}

// catchUp brings the shelf up to what the ledger holds now, and ends.
func catchUp(ctx context.Context, f *stream.Flow, state string) (done engine.Summary, err error) {
	plan, err := f.Plan(ctx)
	if err != nil {
		return done, err // stream.Problems(err) lists every fault, with a hint
	}
	db, err := statestore.Open(state, statestore.DBOptions{MemoryBytes: engine.StoreBytes(plan.Limits), DiskFreeBytes: plan.Limits.DiskFree})
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	e, err := engine.Open(ctx, plan, db, engine.Options{Once: true})
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if err := e.Run(ctx); err != nil {
		return done, err
	}
	return e.Summary(), nil
}

// A program with a source, a step and a sink of its own. It is run twice; the second time it reads what is new.
func Example() {
	dir, err := os.MkdirTemp("", "freshet-library-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path, target := filepath.Join(dir, "ledger"), newShelf()
	for _, lines := range []string{
		"set tea boil the water\nset ode tea for tea\n",
		"set tea boil the milk\ndel ode\n",
	} {
		file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
		if err == nil {
			_, err = file.WriteString(lines)
			err = errors.Join(err, file.Close())
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		done, err := catchUp(context.Background(), declare(path, target), filepath.Join(dir, "state"))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(done.RowsApplied, "effects:", target.names())
	}
	// Output:
	// 5 effects: [words/ode/for words/ode/tea words/tea/boil words/tea/the words/tea/water]
	// 4 effects: [words/tea/boil words/tea/milk words/tea/the]
}
