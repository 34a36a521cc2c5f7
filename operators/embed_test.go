package operators_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	builtinmodel "github.com/freshet/freshet/accel/builtin"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
)

func builtin(t testing.TB, dims int) *operators.Inline {
	t.Helper()
	e, err := builtinmodel.New(dims)
	if err != nil {
		t.Fatal(err)
	}
	return operators.NewInline("builtin", e)
}

func caller(t testing.TB, c operators.EmbedConfig, m stream.Model, keep ...string) stream.Caller {
	t.Helper()
	op, err := operators.NewEmbed(c, m)
	return bind(t, op, err, files(), keep...).(stream.Caller)
}

func TestEmbedSendsJustTheTextAndNothingForNothing(t *testing.T) {
	c := caller(t, operators.EmbedConfig{Text: `row.text != null ? row.path + ": " + row.text : row.text`}, builtin(t, 16))
	plain := caller(t, operators.EmbedConfig{Text: "row.text"}, builtin(t, 16))
	for _, x := range []struct {
		name   string
		caller stream.Caller
		object string
		want   string
		ok     bool
	}{
		{"the value of the expression", c, `{"path": "a", "text": " x ", "size": 1}`, "a:  x ", true},
		{"white space is sent as it is", plain, `{"path": "a", "text": " \n", "size": 1}`, " \n", true},
		{"null asks nothing", plain, `{"path": "a", "size": 1}`, "", false},
		{"null of an expression asks nothing", c, `{"path": "a", "size": 1}`, "", false},
		{"an empty text asks nothing", plain, `{"path": "a", "text": "", "size": 1}`, "", false},
	} {
		t.Run(x.name, func(t *testing.T) {
			got, ok, err := x.caller.Input([]byte("before"), row(t, files(), x.object))
			if err != nil || ok != x.ok || string(got) != "before"+x.want {
				t.Errorf("got %q, %t (%v), want %q, %t", got, ok, err, "before"+x.want, x.ok)
			}
		})
	}
}

func TestEmbedAddsTheVector(t *testing.T) {
	in := row(t, files(), `{"path": "a", "text": "x", "size": 1}`)
	vector := cdc.AppendVector(nil, []float32{0.5, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2})
	for _, c := range []struct {
		name         string
		config       operators.EmbedConfig
		keep         []string
		result       cdc.Value
		schema, want string
	}{
		{"a vector behind what is carried", operators.EmbedConfig{Text: "row.text"}, []string{"size", "vector"}, cdc.Value{Raw: vector},
			"{path* string, size int, vector vector(16)?}", `{"path":"a","size":1,"vector":[0.5,-1,0,0,0,0,0,0,0,0,0,0,0,0,0,2]}`},
		{"null where nothing was asked", operators.EmbedConfig{Text: "row.text"}, []string{"vector"}, cdc.Value{State: cdc.Null},
			"{path* string, vector vector(16)?}", `{"path":"a","vector":null}`},
		{"another name, which replaces a column", operators.EmbedConfig{Text: "row.text", As: "text"}, []string{"text"}, cdc.Value{State: cdc.Null},
			"{path* string, text vector(16)?}", `{"path":"a","text":null}`},
		{"no vector where nobody reads it", operators.EmbedConfig{Text: "row.text"}, []string{"text"}, cdc.Value{Raw: vector},
			"{path* string, text string?}", `{"path":"a","text":"x"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := caller(t, c.config, builtin(t, 16), c.keep...)
			if got := b.Schema().String(); got != c.schema {
				t.Errorf("schema %s, want %s", got, c.schema)
			}
			var out cdc.RowBuilder
			if err := b.Output(&out, in, c.result); err != nil {
				t.Fatal(err)
			}
			if got := object(b.Schema(), out.Build()); got != c.want {
				t.Errorf("row %s, want %s", got, c.want)
			}
		})
	}
}

func TestEmbedPassesReferencesOnAndRefusesOtherLengths(t *testing.T) {
	c := caller(t, operators.EmbedConfig{Text: "row.text"}, builtin(t, 16))
	in := row(t, files(), `{"path": "a", "text": "x", "size": 1}`)
	var out cdc.RowBuilder
	reference := cdc.Value{State: cdc.Reference, Raw: []byte("0123456789abcdef")}
	if err := c.Output(&out, in, reference); err != nil || !c.Calls().ByReference {
		t.Fatal(err)
	}
	got := out.Build()
	if diff := cmp.Diff(reference, got.At(got.Len()-1)); diff != "" {
		t.Errorf("reference (-want +got):\n%s", diff)
	}
	out.Reset()
	if err := c.Output(&out, in, cdc.Value{Raw: make([]byte, 12)}); err == nil {
		t.Error("a vector of three numbers is taken for one of sixteen")
	}
}

// I7: the fingerprint of a call covers the model and the text sent, so that neither the step, nor its
// name, nor the expression make a text be sent again.
func TestCallLogicCoversTheModelAlone(t *testing.T) {
	of := func(c operators.EmbedConfig, dims int, keep ...string) (call, logic []byte) {
		b := caller(t, c, builtin(t, dims), keep...)
		return b.Calls().Logic, b.Logic()
	}
	call, logic := of(operators.EmbedConfig{Text: "row.text"}, 16)
	for _, same := range []operators.EmbedConfig{{Text: "row.path"}, {Text: "row.text", As: "v"}, {Text: `row.path + "x"`}} {
		otherCall, otherLogic := of(same, 16, "size")
		if !bytes.Equal(call, otherCall) {
			t.Errorf("%+v asks another call", same)
		}
		if bytes.Equal(logic, otherLogic) {
			t.Errorf("%+v has the same logic", same)
		}
	}
	if other, _ := of(operators.EmbedConfig{Text: "row.text"}, 32); bytes.Equal(call, other) {
		t.Error("a model of another dimension is asked the same call")
	}
}
