package flight_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/flight"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/testenv"
)

func TestMain(m *testing.M) {
	if os.Getenv(ownerVariable) != "" {
		ownWorker()
		return
	}
	goleak.VerifyTestMain(m)
}

// modulePath is where the module freshet_worker lies.
func modulePath(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs("../worker")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// program writes a worker and returns the options that start it.
func program(t testing.TB, source string) flight.Options {
	t.Helper()
	python, dir, module := testenv.Python(t), t.TempDir(), modulePath(t)
	if err := os.WriteFile(filepath.Join(dir, "worker.py"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return flight.Options{Command: []string{python, "-B", "worker.py"}, Dir: dir, Timeout: 30 * time.Second,
		Env:    func() []string { return []string{"PYTHONPATH=" + module} },
		Logger: slog.New(slog.NewTextHandler(testWriter{t}, nil))}
}

// testWriter shows what a worker says where the test fails.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", b)
	return len(b), nil
}

func client(t testing.TB, o flight.Options) *flight.Client {
	t.Helper()
	c, err := flight.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// schema makes one of "name type" texts.
func schema(t testing.TB, columns ...string) *cdc.Schema {
	t.Helper()
	s := &cdc.Schema{}
	for _, c := range columns {
		var name, typ string
		if _, err := fmt.Sscanf(c, "%s %s", &name, &typ); err != nil {
			t.Fatal(err)
		}
		parsed, err := cdc.ParseType(typ)
		if err != nil {
			t.Fatal(err)
		}
		s.Columns = append(s.Columns, cdc.Column{Name: name, Type: parsed})
	}
	return s
}

// caller is a function with what it is given and gives.
type caller struct {
	*flight.Function
	t       testing.TB
	shape   [16]byte
	in, out *cdc.Schema
}

func function(t testing.TB, c *flight.Client, name string, in, out *cdc.Schema) *caller {
	t.Helper()
	f, err := flight.NewFunction(c, name, out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	shape, err := f.Shape(in)
	if err != nil {
		t.Fatal(err)
	}
	return &caller{Function: f, t: t, shape: shape, in: in, out: out}
}

// asked makes calls of rows written as JSON.
func (c *caller) asked(rows ...string) []accel.Asked {
	c.t.Helper()
	var all []accel.Asked
	for _, r := range rows {
		row, err := cdc.RowFromJSON(c.in, []byte(r))
		if err != nil {
			c.t.Fatal(err)
		}
		all = append(all, accel.Asked{Text: string(c.shape[:]) + string(row)})
	}
	return all
}

// call asks and shows the answers: rows as JSON, "!" and the text of an error, nothing where none came.
func (c *caller) call(ctx context.Context, rows ...string) ([]string, *accel.Error) {
	c.t.Helper()
	answers, err := c.Answer(ctx, c.asked(rows...))
	var e *accel.Error
	if err != nil && !errors.As(err, &e) {
		c.t.Fatalf("%v is no *accel.Error", err)
	}
	var shown []string
	for _, a := range answers.Each {
		switch {
		case a.Err != nil:
			shown = append(shown, "!"+a.Err.Message)
		case a.Text != nil:
			shown = append(shown, string(cdc.AppendFieldsJSON(nil, c.out.Columns, cdc.Row(a.Text))))
		default:
			shown = append(shown, "")
		}
	}
	return shown, e
}

func asks(texts ...string) []accel.Asked {
	var all []accel.Asked
	for _, x := range texts {
		all = append(all, accel.Asked{Text: x})
	}
	return all
}
