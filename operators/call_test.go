package operators_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// shouter is a function of one text and a number, which it answers in capitals with the number doubled.
type shouter struct {
	revision string
	in       *cdc.Schema
	closed   int
}

func (f *shouter) Identity() accel.Identity {
	return accel.Identity{Provider: "worker", Model: "shout", Revision: f.revision}
}
func (f *shouter) Cost(accel.Asked) backpressure.Cost { return backpressure.Cost{Rows: 1, Input: 1} }
func (f *shouter) Close() error                       { f.closed++; return nil }

func (f *shouter) Shape(in *cdc.Schema) ([16]byte, error) {
	f.in = in
	return stream.FingerprintOf([]byte(in.String())), nil
}

func (f *shouter) Answer(_ context.Context, asked []accel.Asked) (accel.Answers, error) {
	var all accel.Answers
	for _, a := range asked {
		in := cdc.Row(a.Text[16:])
		text := in.At(0).Text()
		if text == "raise" {
			all.Each = append(all.Each, accel.Answer{Err: &accel.Error{Kind: accel.Raised, Message: "ValueError: no"}})
			continue
		}
		var out cdc.RowBuilder
		out.Text(strings.ToUpper(text))
		out.Int64(2 * in.At(1).Int64())
		all.Each = append(all.Each, accel.Answer{Text: out.Append(nil)})
	}
	return all, nil
}

func shouting(t testing.TB) operators.CallConfig {
	t.Helper()
	return operators.CallConfig{Function: "shout", Input: []operators.CallArgument{{"text", `row.?text.orValue("")`}, {"size", "row.size"}},
		Output: outputOf(t, "loud string", "twice int")}
}

func shout(t testing.TB, c operators.CallConfig, f *shouter) (*operators.Worker, stream.Operator) {
	t.Helper()
	out, err := c.OutputSchema()
	if err != nil {
		t.Fatal(err)
	}
	w := operators.NewWorker("call/loud", f, out, operators.ModelOptions{})
	op, err := operators.NewCall(c, w)
	if err != nil {
		t.Fatal(err)
	}
	return w, op
}

func TestCallKeepsTheContract(t *testing.T) {
	f := &shouter{}
	_, op := shout(t, shouting(t), f)
	result := func(input []byte) []byte {
		answers, err := f.Answer(t.Context(), []accel.Asked{{Text: string(input)}})
		if err != nil {
			t.Fatal(err)
		}
		return answers.Each[0].Text
	}
	streamtest.TestOperator(t, streamtest.OperatorCase{Operator: op, Schema: files(), Rows: []cdc.Row{
		row(t, files(), `{"path":"a","text":"x","size":1}`), row(t, files(), `{"path":"b","text":null,"size":-5}`)}, Result: result})
}

func TestACallIsTheRowOfItsInputAndAddsThatOfItsOutput(t *testing.T) {
	f := &shouter{revision: "1"}
	w, op := shout(t, shouting(t), f)
	c := bind(t, op, nil, files(), "size", "twice").(stream.Caller)
	if got := c.Schema().String(); got != "{path* string, size int, twice int}" {
		t.Errorf("schema %s", got)
	}
	if diff := cmp.Diff([]string{"text", "size"}, c.Reads()); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
	if got := f.in.String(); got != "{text string, size int}" {
		t.Errorf("the function is given %s", got)
	}
	in := row(t, files(), `{"path":"a","text":"x","size":21}`)
	input, ok, err := c.Input([]byte("before"), in)
	if err != nil || !ok || !bytes.HasPrefix(input, []byte("before")) {
		t.Fatalf("input %q, %t, %v", input, ok, err)
	}
	answers, err := f.Answer(t.Context(), []accel.Asked{{Text: string(input[len("before"):])}})
	if err != nil {
		t.Fatal(err)
	}
	var b cdc.RowBuilder
	if err := c.Output(&b, in, cdc.Value{Raw: answers.Each[0].Text}); err != nil {
		t.Fatal(err)
	}
	if got := object(c.Schema(), b.Build()); got != `{"path":"a","size":21,"twice":42}` {
		t.Errorf("row %s", got)
	}
	b.Reset()
	if err := c.Output(&b, in, cdc.Value{Raw: in}); err == nil {
		t.Error("a row of four values is taken for one of two")
	}
	if c.Calls().Model != stream.Model(w) {
		t.Error("another model is asked")
	}
}

// I7: a call is remembered by the function, the revision that its worker reports, and the values and types that
// it is given; neither by the expressions nor by the step.
func TestACallIsRememberedByTheFunctionItsRevisionAndItsInput(t *testing.T) {
	of := func(revision string, change func(*operators.CallConfig)) (call, logic []byte) {
		c := shouting(t)
		change(&c)
		_, op := shout(t, c, &shouter{revision: revision})
		b := bind(t, op, nil, files()).(stream.Caller)
		return b.Calls().Logic, b.Logic()
	}
	same := func(*operators.CallConfig) {}
	call, logic := of("1", same)
	other, otherLogic := of("1", func(c *operators.CallConfig) { c.Input[0].Expression = "row.path" })
	if !bytes.Equal(call, other) || bytes.Equal(logic, otherLogic) {
		t.Error("another expression of the same type is another call, or the same step")
	}
	for name, differs := range map[string]func() ([]byte, []byte){
		"another revision": func() ([]byte, []byte) { return of("2", same) },
		"another type of the input": func() ([]byte, []byte) {
			return of("1", func(c *operators.CallConfig) { c.Input[1].Expression = "string(row.size)" })
		},
		"another name of a parameter": func() ([]byte, []byte) { return of("1", func(c *operators.CallConfig) { c.Input[0].Name = "word" }) },
		"another output": func() ([]byte, []byte) {
			return of("1", func(c *operators.CallConfig) { c.Output = outputOf(t, "loud string", "twice int?") })
		},
	} {
		if other, _ := differs(); bytes.Equal(call, other) {
			t.Errorf("%s is the same call", name)
		}
	}
}

func TestAnExceptionIsTheEndOfItsCallAndTheWorkerIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, got := &shouter{}, &collected{answers: map[stream.Fingerprint]stream.Answer{}}
		w, op := shout(t, shouting(t), f)
		c := bind(t, op, nil, files()).(stream.Caller)
		var running sync.WaitGroup
		running.Go(func() {
			if err := w.Run(t.Context(), got.take); err != nil {
				t.Error(err)
			}
		})
		all := map[string]stream.Fingerprint{}
		for _, text := range []string{"a", "raise"} {
			input, _, err := c.Input(nil, row(t, files(), `{"path":"p","text":"`+text+`","size":1}`))
			if err != nil {
				t.Fatal(err)
			}
			all[text] = stream.FingerprintOf(input)
			w.Queue().Submit([]stream.Call{{Fingerprint: all[text], Input: input}})
		}
		synctest.Wait()
		if a := got.answers[all["a"]]; a.Rejected != nil || cdc.Row(a.Result).At(0).Text() != "A" {
			t.Errorf("the sibling is answered %q (%v)", a.Result, a.Rejected)
		}
		r, ok := errors.AsType[*stream.Rejection](got.answers[all["raise"]].Rejected)
		if !ok || r.Code != "worker_error" || r.Message != "ValueError: no" {
			t.Errorf("the exception ends as %+v", r)
		}
		if err := w.Queue().Drain(t.Context()); err != nil {
			t.Error(err)
		}
		running.Wait()
		if f.closed != 1 {
			t.Errorf("the worker is let go %d times, want once", f.closed)
		}
	})
}

func TestFaultsOfACallAreTold(t *testing.T) {
	for _, x := range []struct {
		name   string
		change func(*operators.CallConfig)
		want   fault
	}{
		{"a column with an underscore", func(c *operators.CallConfig) { c.Output = outputOf(t, "_x int") }, fault{code: "bad_value", field: "output._x"}},
		{"no output", func(c *operators.CallConfig) { c.Output = nil }, fault{code: "bad_value", field: "output"}},
		{"no input", func(c *operators.CallConfig) { c.Input = nil }, fault{code: "bad_value", field: "input"}},
		{"a parameter with an underscore", func(c *operators.CallConfig) { c.Input[0].Name = "_row" }, fault{code: "bad_value", field: "input._row"}},
		{"a column that is not there", func(c *operators.CallConfig) { c.Input[1].Expression = "row.syze" }, fault{code: "unknown_column", field: "input.size", offset: 4}},
		{"a key column", func(c *operators.CallConfig) { c.Output = outputOf(t, "path string") }, fault{code: "bad_value", field: "output.path"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := shouting(t)
			x.change(&c)
			out, err := c.OutputSchema()
			var op stream.Operator
			if err == nil {
				op, err = operators.NewCall(c, operators.NewWorker("w", &shouter{}, out, operators.ModelOptions{}))
			}
			if err == nil {
				_, err = op.Bind(files(), keeping())
			}
			got := faultsOf(err)
			if len(got) != 1 || got[0].code != x.want.code || got[0].field != x.want.field || got[0].offset != x.want.offset {
				t.Errorf("got %+v, want %+v", got, x.want)
			}
		})
	}
}
