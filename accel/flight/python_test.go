package flight_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/flight"
	"github.com/freshet/freshet/cdc"
)

const echo = `
from freshet_worker import serve
def echo(**row):
    return row
serve(echo)
`

func TestEveryTypeComesBackFromPythonAsItWent(t *testing.T) {
	columns := []string{"b bool?", "i int?", "f float?", "s string?", "d decimal?", "raw bytes?", "at timestamp?", "day date?", "u uuid?", "j json?",
		"v vector(3)?", "l [string]?", "n [int]?", "e enum(low,high)?"}
	s := schema(t, columns...)
	echo := function(t, client(t, program(t, echo)), "echo", s, s)
	rows := []string{
		`"b":true,"i":-9007199254740993,"f":0.1,"s":"grün\n","d":"1.50","raw":"AP8=","at":"2026-11-23T01:02:03.000456Z","day":"2026-02-28","u":"6f1c8f9e-7a52-4c2f-9a53-0d5f1f0a2b3c",` +
			`"j":{"a":[1,null,"x"]},"v":[0.5,-1,2],"l":["a","b"],"n":[1,2],"e":"low"`,
		`"b":null,"i":null,"f":null,"s":null,"d":null,"raw":null,"at":null,"day":null,"u":null,"j":null,"v":null,"l":null,"n":null,"e":null`,
	}
	// The rows are compared as bytes: what was sent is what is answered.
	asked := echo.asked("{"+rows[0]+"}", "{"+rows[1]+"}")
	answers, fault := echo.Answer(t.Context(), asked)
	if fault != nil {
		t.Fatal(fault)
	}
	for i, a := range answers.Each {
		if a.Err != nil || string(a.Text) != asked[i].Text[16:] {
			t.Errorf("row %d came back as %s (%v)", i, cdc.AppendFieldsJSON(nil, s.Columns, cdc.Row(a.Text)), a.Err)
		}
	}
}

const faulty = `
import os, sys, time
from freshet_worker import serve, batched, Unavailable
print("this is printed before the worker serves")
def one(text, n=0):
    print("a function may print")
    if text == "raise": raise ValueError("cannot  do\nthis")
    if text == "none": return None
    if text == "list": return [1, 2]
    if text == "number": return {"loud": 7}
    if text == "enum": return {"loud": "x", "level": "middle"}
    if text == "memory": raise MemoryError("too much")
    if text == "out": raise Unavailable("the database is down")
    if text == "exit": os._exit(7)
    if text == "hang": time.sleep(3600)
    if text == "slow": time.sleep(0.25)
    return {"loud": text.upper(), "level": "low", "extra": 1}
@batched
def many(text):
    if "raise" in text: raise ValueError("a row of these")
    if "exit" in text: os._exit(7)
    if "short" in text: return text[1:]
    return {"loud": [t.upper() for t in text], "level": [None for t in text]}
def bare(text): return text.upper()
serve(one, many, bare)
`

func texts(words ...string) []string {
	var rows []string
	for _, w := range words {
		rows = append(rows, `{"text":"`+w+`"}`)
	}
	return rows
}

func TestAnErrorOfOneRowIsItsOwn(t *testing.T) {
	c := client(t, program(t, faulty))
	out := schema(t, "loud string", "level enum(low,high)?")
	one, many := function(t, c, "one", schema(t, "text string"), out), function(t, c, "many", schema(t, "text string"), out)
	bare := function(t, c, "bare", schema(t, "text string"), schema(t, "loud string"))
	a, b := `"loud":"A","level":"low"`, `"loud":"B","level":"low"`
	for _, x := range []struct {
		name string
		by   *caller
		rows []string
		want []string
	}{
		{"an exception, with its text in one line", one, texts("a", "raise", "b"), []string{a, "!ValueError: cannot do this", b}},
		{"no value where none is allowed", one, texts("a", "none"), []string{a, "!loud: the function gave none, and the flow does not allow null"}},
		{"something that is no row", one, texts("list", "b"), []string{"!the function gave list, and the flow wants a dict with loud, level", b}},
		{"a value outside of the enum", one, texts("enum", "b"), []string{`!level: "middle" is none of enum(low, high)?`, b}},
		{"a batched function, cut until the row is found", many, texts("a", "b", "raise", "c"),
			[]string{`"loud":"A","level":null`, `"loud":"B","level":null`, "!ValueError: a row of these", `"loud":"C","level":null`}},
		{"a value alone, for the one column", bare, texts("a", "b"), []string{`"loud":"A"`, `"loud":"B"`}},
	} {
		t.Run(x.name, func(t *testing.T) {
			got, err := x.by.call(t.Context(), x.rows...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(x.want, got); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
	if got, err := one.call(t.Context(), texts("number", "b")...); err != nil || !strings.HasPrefix(got[0], "!loud: ") || got[1] == "" {
		t.Errorf("a value of another type is answered %v (%v)", got, err)
	}
	if got, err := many.call(t.Context(), texts("short", "b")...); err != nil || !strings.Contains(got[0], "was given") {
		t.Errorf("a batch of another length is answered %v (%v)", got, err)
	}
}

// Test 9 of the faults: a worker that is killed or hangs is at a row that it has told of; the next request gets
// another process.
func TestAWorkerThatBreaksTellsAtWhichRow(t *testing.T) {
	o := program(t, faulty)
	o.Timeout = 3 * time.Second
	c := client(t, o)
	out := schema(t, "loud string")
	one, many := function(t, c, "one", schema(t, "text string"), out), function(t, c, "many", schema(t, "text string"), out)
	for _, x := range []struct {
		name    string
		by      *caller
		rows    []string
		at      []int
		says    string
		kept    int // answers that were handed over before
		another bool
	}{
		{"it ends", one, texts("a", "b", "exit", "c"), []int{2}, "exit status 7", 0, true},
		{"it ends after it has handed over a part", one, texts("slow", "b", "exit"), []int{2}, "exit status 7", 1, true},
		{"it hangs", one, texts("a", "hang", "c"), []int{1}, "no answer within 3s", 0, true},
		{"it ends in a batch, and no row is known", many, texts("a", "exit"), nil, "exit status 7", 0, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			got, err := x.by.call(t.Context(), x.rows...)
			if err == nil || err.Kind != accel.Broke || !strings.Contains(err.Message, x.says) {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(x.at, err.Rows); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			kept := 0
			for _, a := range got {
				if a != "" {
					kept++
				}
			}
			if kept != x.kept {
				t.Errorf("kept %v, want %d answers", got, x.kept)
			}
			if got, err := one.call(t.Context(), texts("again")...); err != nil || got[0] != `"loud":"AGAIN"` {
				t.Errorf("the next process answers %v (%v)", got, err)
			}
		})
	}
}

// A row that is slow is no row that hangs: what counts is how long nothing is heard.
func TestAWorkerThatGoesOnIsGivenTime(t *testing.T) {
	o := program(t, faulty)
	o.Timeout = 4 * time.Second
	one := function(t, client(t, o), "one", schema(t, "text string"), schema(t, "loud string"))
	rows := texts(strings.Fields(strings.Repeat("slow ", 18))...)
	if got, err := one.call(t.Context(), rows...); err != nil || len(got) != 18 {
		t.Errorf("rows of 4.5 s together are answered %v (%v)", got, err)
	}
}

// A request that the dying worker had not begun is not to blame: the next process answers it.
func TestTheRequestBehindOneThatKillsIsAnswered(t *testing.T) {
	one := function(t, client(t, program(t, faulty)), "one", schema(t, "text string"), schema(t, "loud string"))
	if _, err := one.call(t.Context(), texts("warm")...); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		var killer, behind sync.WaitGroup
		killer.Go(func() {
			if _, err := one.call(t.Context(), texts("slow", "slow", "exit")...); err == nil || err.Kind != accel.Broke {
				t.Errorf("the request that kills ends with %v", err)
			}
		})
		behind.Go(func() {
			got, err := one.call(t.Context(), texts("b")...)
			if err != nil || got[0] != `"loud":"B"` {
				t.Errorf("the request beside it is answered %v (%v)", got, err)
			}
		})
		behind.Wait()
		killer.Wait()
	}
}

func TestTooLittleMemoryAndWhatIsOutAreNoAnswers(t *testing.T) {
	one := function(t, client(t, program(t, faulty)), "one", schema(t, "text string"), schema(t, "loud string"))
	for word, kind := range map[string]accel.Kind{"memory": accel.OutOfMemory, "out": accel.Unavailable} {
		if _, err := one.call(t.Context(), texts("a", word, "b")...); err == nil || err.Kind != kind {
			t.Errorf("%s: %v, want %v", word, err, kind)
		}
	}
	if got, err := one.call(t.Context(), texts("a")...); err != nil || got[0] != `"loud":"A"` {
		t.Errorf("afterwards %v (%v)", got, err)
	}
}

func TestWhatKeepsAWorkerFromServingIsTold(t *testing.T) {
	for _, x := range []struct{ name, source, says string }{
		{"an import that fails", "import nowhere_to_be_found\n", "No module named 'nowhere_to_be_found'"},
		{"a program that serves nothing", "print('hello')\n", "does not say what it serves"},
		{"two functions of one name", "from freshet_worker import serve\ndef f(a): pass\nserve(f, f)\n", "two functions are called f"},
	} {
		t.Run(x.name, func(t *testing.T) {
			_, err := client(t, program(t, x.source)).Describe(t.Context())
			if err == nil || !strings.Contains(err.Error(), x.says) {
				t.Errorf("got %v, want %q", err, x.says)
			}
		})
	}
	o := program(t, "")
	o.Command[0] = "./no-such-program"
	if _, err := client(t, o).Describe(t.Context()); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a program that is not there: %v", err)
	}
}

func TestAFunctionThatIsNotServedIsTold(t *testing.T) {
	c := client(t, program(t, faulty))
	f, err := flight.NewFunction(c, "won", schema(t, "loud string"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Learn(t.Context())
	missing, ok := err.(*flight.MissingError)
	if !ok || !cmp.Equal(missing.Served, []string{"one", "many", "bare"}) {
		t.Errorf("got %v", err)
	}
}

// A function has the revision of its file: comments do not count, and what a reply says must be what the flow
// was planned with.
func TestAChangedFunctionIsNoticed(t *testing.T) {
	const source = "from freshet_worker import serve\ndef f(text):\n    return text\nserve(f)\n"
	o := program(t, source)
	c := client(t, o)
	f := function(t, c, "f", schema(t, "text string"), schema(t, "loud string"))
	first := f.Identity().Revision
	write := func(source string) {
		if err := os.WriteFile(filepath.Join(o.Dir, "worker.py"), []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# a comment\n\n" + source)
	if info, err := f.Learn(t.Context()); err != nil || info.Revision != first || first == "" {
		t.Errorf("with a comment the revision is %q (%v), and was %q", info.Revision, err, first)
	}
	write(strings.Replace(source, "return text", "return text + '!'", 1))
	if _, err := f.call(t.Context(), texts("a")...); err == nil || err.Kind != accel.Changed {
		t.Errorf("a changed function answers: %v", err)
	}
	if info, err := f.Learn(t.Context()); err != nil || info.Revision == first {
		t.Errorf("the revision is still %q (%v)", info.Revision, err)
	}
	if got, err := f.call(t.Context(), texts("a")...); err != nil || got[0] != `"loud":"a!"` {
		t.Errorf("once it is known it answers %v (%v)", got, err)
	}
}
