package operators_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// script is a generator that answers by script: the n-th question about a text gets the n-th answer, and the
// last one again and again. It counts what it charges.
type script struct {
	mu      sync.Mutex
	answers map[string][]accel.Generated
	asked   map[string][]accel.Prompt
	used    accel.Usage
}

func (c *script) Identity() accel.Identity { return accel.Identity{Provider: "test", Model: "chat"} }

func (c *script) Generate(_ context.Context, p accel.Prompt) (accel.Generated, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == nil {
		c.asked = map[string][]accel.Prompt{}
	}
	lines := c.answers[p.Text]
	g := lines[min(len(c.asked[p.Text]), len(lines)-1)]
	c.asked[p.Text] = append(c.asked[p.Text], p)
	g.Usage = accel.Usage{InputTokens: int64(len(p.Text)), OutputTokens: int64(len(g.Text))}
	c.used.InputTokens += g.Usage.InputTokens
	c.used.OutputTokens += g.Usage.OutputTokens
	return g, nil
}

func outputOf(t testing.TB, fields ...string) []operators.ExtractField {
	t.Helper()
	var out []operators.ExtractField
	for _, f := range fields {
		name, typ, _ := strings.Cut(f, " ")
		parsed, err := cdc.ParseType(typ)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, operators.ExtractField{Name: name, Type: parsed})
	}
	return out
}

func ticket(t testing.TB) operators.ExtractConfig {
	return operators.ExtractConfig{Model: "chat", Prompt: operators.PromptText{Text: "Read {{ row.path }}, {{row.size}} bytes:\n{{ row.text }}"},
		Output: outputOf(t, "product string", "severity enum(low, high)", "pieces int", "due date?", "tags [string]")}
}

func extracting(t testing.TB, c operators.ExtractConfig, g accel.Generator) stream.Operator {
	t.Helper()
	op, err := operators.NewExtract(c, operators.NewGenerative("chat", g, operators.ModelOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	return op
}

func TestExtractKeepsTheContract(t *testing.T) {
	result := func([]byte) []byte {
		return []byte(`{"product":"lamp","severity":"high","pieces":3,"due":"2026-03-01","tags":["a","b"]}`)
	}
	rows := []cdc.Row{
		row(t, files(), `{"path":"a","text":"words","size":50,"media_type":"x"}`),
		row(t, files(), `{"path":"b","text":null,"size":0,"media_type":null}`),
		row(t, files(), `{"path":"c","text":"","size":3,"media_type":null}`),
	}
	one := ticket(t)
	one.As = "facts"
	only := ticket(t)
	only.Prompt.Text = "{{ row.text }}"
	for name, c := range map[string]operators.ExtractConfig{"columns": ticket(t), "one column": one, "a prompt that may be null": only} {
		t.Run(name, func(t *testing.T) {
			streamtest.TestOperator(t, streamtest.OperatorCase{Operator: extracting(t, c, &script{}), Schema: files(), Rows: rows, Result: result})
		})
	}
}

func TestAPromptIsWrittenFromTheRow(t *testing.T) {
	op := extracting(t, ticket(t), &script{})
	c := bind(t, op, nil, files()).(stream.Caller)
	in, ok, err := c.Input(nil, row(t, files(), `{"path":"a.md","text":"the text","size":7}`))
	if err != nil || !ok || string(in[16:]) != "Read a.md, 7 bytes:\nthe text" {
		t.Errorf("input %q, %t, %v", in, ok, err)
	}
	only := ticket(t)
	only.Prompt.Text = "Read:\n{{ row.text }}"
	c = bind(t, extracting(t, only, &script{}), nil, files()).(stream.Caller)
	if _, ok, err := c.Input(nil, row(t, files(), `{"path":"a.md","size":7}`)); ok || err != nil {
		t.Errorf("a row with nothing to ask asks: %t, %v", ok, err)
	}
	if at := c.Schema().Index("product"); !c.Schema().Columns[at].Type.Nullable {
		t.Error("a field that may have nothing to be read in cannot be null")
	}
}

func TestExtractYieldsItsFieldsInTheirTypes(t *testing.T) {
	c := bind(t, extracting(t, ticket(t), &script{}), nil, files(), "path", "severity", "pieces", "due").(stream.Caller)
	var b cdc.RowBuilder
	in := row(t, files(), `{"path":"a","text":"x","size":1}`)
	result := cdc.Value{State: cdc.Set, Raw: []byte(`{"product":"lamp","severity":"high","pieces":3,"due":"2026-03-01","tags":[]}`)}
	if err := c.Output(&b, in, result); err != nil {
		t.Fatal(err)
	}
	want := `{"path":"a","severity":"high","pieces":3,"due":"2026-03-01"}`
	if got := shown(c.Schema(), b.Build()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// shown writes a row as JSON.
func shown(s *cdc.Schema, r cdc.Row) string {
	out := []byte{'{'}
	for i, c := range s.Columns {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(cdc.AppendJSONString(out, c.Name), ':')
		out = cdc.AppendJSON(out, &c.Type, r.At(i))
	}
	return string(append(out, '}'))
}

// I7: what the fingerprint covers is what is asked, and nothing else.
func TestWhatIsAskedIsTheFingerprint(t *testing.T) {
	logic := func(change func(*operators.ExtractConfig)) string {
		c := ticket(t)
		change(&c)
		b := bind(t, extracting(t, c, &script{}), nil, files()).(stream.Caller)
		in, _, err := b.Input(nil, row(t, files(), `{"path":"a","text":"x","size":1}`))
		if err != nil {
			t.Fatal(err)
		}
		f := stream.FingerprintOf(b.Calls().Logic, in)
		return string(f[:])
	}
	same := logic(func(*operators.ExtractConfig) {})
	warm := 0.7
	for name, change := range map[string]func(*operators.ExtractConfig){
		"prompt":      func(c *operators.ExtractConfig) { c.Prompt.Text = "Look: {{ row.text }}" },
		"output":      func(c *operators.ExtractConfig) { c.Output = outputOf(t, "product string") },
		"temperature": func(c *operators.ExtractConfig) { c.Temperature = &warm },
		"examples": func(c *operators.ExtractConfig) {
			c.Examples = []operators.ExtractExample{{Prompt: "q", Answer: `{"product":"p","severity":"low","pieces":1,"due":null,"tags":[]}`}}
		},
	} {
		if logic(change) == same {
			t.Errorf("another %s is the same call", name)
		}
	}
	for name, change := range map[string]func(*operators.ExtractConfig){
		"spelling of a hole": func(c *operators.ExtractConfig) {
			c.Prompt.Text = "Read {{row.path}}, {{ row.size }} bytes:\n{{row.text}}"
		},
		"name of the column": func(c *operators.ExtractConfig) { c.As = "facts" },
	} {
		if logic(change) != same {
			t.Errorf("another %s is another call", name)
		}
	}
}

func TestFaultsOfExtractPointAtTheirKey(t *testing.T) {
	try := func(change func(*operators.ExtractConfig)) error {
		c := ticket(t)
		change(&c)
		return build(operators.NewExtract(c, operators.NewGenerative("chat", &script{}, operators.ModelOptions{})))
	}
	for _, c := range []struct {
		name string
		err  error
		want []fault
	}{
		{"a hole of an unknown column", try(func(c *operators.ExtractConfig) { c.Prompt.Text = "Read {{ row.txt }}" }),
			[]fault{{"unknown_column", "prompt", 12, `did you mean "text"?`}}},
		{"a hole that is not closed", try(func(c *operators.ExtractConfig) { c.Prompt.Text = "Read {{ row.text" }),
			[]fault{{"expression_syntax", "prompt", 5, "end it with }}"}}},
		{"no hole", try(func(c *operators.ExtractConfig) { c.Prompt.Text = "Read it" }),
			[]fault{{"bad_value", "prompt", 0, "write an expression where the row belongs: {{ row.text }}"}}},
		{"a type that no model answers", try(func(c *operators.ExtractConfig) { c.Output = outputOf(t, "v vector(3)") }),
			[]fault{{"bad_value", "output.v", 0, "take one of string, int, float, bool, date, timestamp, enum(a, b), or a list such as [string]"}}},
		{"a field that is the key", try(func(c *operators.ExtractConfig) { c.Output = outputOf(t, "path string") }),
			[]fault{{"bad_value", "output", 0, "name the field otherwise, or put all of them into one column: as: facts"}}},
		{"no field", try(func(c *operators.ExtractConfig) { c.Output = nil }), []fault{{"bad_value", "output", 0, "name a field: {product: string}"}}},
		{"an example that does not fit", try(func(c *operators.ExtractConfig) {
			c.Examples = []operators.ExtractExample{{Prompt: "q", Answer: `{"product":"p"}`}}
		}), []fault{{"bad_value", "examples.0.answer", 0, "write the answer as the model should: a JSON object with the fields of output"}}},
		{"a model of vectors", build(operators.NewExtract(ticket(t), builtin(t, 16))), []fault{{"bad_value", "model", 0, "name a chat model behind a server"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, faultsOf(c.err), cmp.AllowUnexported(fault{})); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// Each kind of answer ends as the ladder says, after as many requests, and what it cost is counted.
func TestFault_19_StructuredOutput(t *testing.T) {
	const good = `{"product":"lamp","severity":"high","pieces":3,"due":null,"tags":["a"]}`
	say := func(texts ...string) []accel.Generated {
		var all []accel.Generated
		for _, text := range texts {
			all = append(all, accel.Generated{Text: text})
		}
		return all
	}
	cut := accel.Generated{Text: `{"product":"lam`, Finish: accel.CutOff}
	cases := map[string]struct {
		answers  []accel.Generated
		requests int
		code     string // of the rejection; empty: it is answered
		reply    string
	}{
		"as it should be":             {say(good), 1, "", ""},
		"in a fence":                  {say("Here:\n```json\n" + good + "\n```\nDone."), 1, "", ""},
		"with commas too many":        {say(`{"product":"lamp","severity":"high","pieces":3,"due":null,"tags":["a",],}`), 1, "", ""},
		"with a field too many":       {say(`{"extra":{"x":[1,{}]},` + good[1:]), 1, "", ""},
		"without what may be null":    {say(`{"product":"lamp","severity":"high","pieces":3,"tags":["a"]}`), 1, "", ""},
		"half of it, once":            {say(`{"product":"lam`, good), 2, "", ""},
		"a value that is no choice":   {say(strings.Replace(good, "high", "medium", 1), strings.Replace(good, "high", "medium", 1), good), 3, "", ""},
		"cut off, once":               {append([]accel.Generated{cut}, say(good)...), 2, "", ""},
		"cut off, and then wrong":     {append([]accel.Generated{cut}, say("no", "no", good)...), 4, "", ""},
		"never JSON":                  {say("I am no JSON"), 3, "invalid_output", "I am no JSON"},
		"a word for a number":         {say(strings.Replace(good, "3", `"three"`, 1)), 3, "invalid_output", `three`},
		"without what it needs":       {say(`{"severity":"high","pieces":3,"tags":[]}`), 3, "invalid_output", `{"severity"`},
		"cut off again":               {[]accel.Generated{cut}, 2, "truncated", `{"product":"lam`},
		"declined":                    {[]accel.Generated{{Refusal: "I will not", Finish: accel.Declined}}, 1, "refused", "I will not"},
		"a list instead of an object": {say(`["lamp"]`), 3, "invalid_output", `["lamp"]`},
	}
	synctest.Test(t, func(t *testing.T) {
		said := &script{answers: map[string][]accel.Generated{}}
		for name, x := range cases {
			said.answers[name] = x.answers
		}
		m := operators.NewGenerative("chat", said, operators.ModelOptions{})
		c := ticket(t)
		c.Prompt.Text = "{{ row.path }}"
		op, err := operators.NewExtract(c, m)
		b := bind(t, op, err, files()).(stream.Caller)
		got := &collected{answers: map[stream.Fingerprint]stream.Answer{}}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := m.Run(ctx, got.take); err != nil {
				t.Error(err)
			}
		})
		for name := range cases {
			quoted, _ := json.Marshal(name)
			in, _, err := b.Input(nil, row(t, files(), `{"path":`+string(quoted)+`,"size":1}`))
			if err != nil {
				t.Fatal(err)
			}
			m.Queue().Submit([]stream.Call{{Fingerprint: stream.FingerprintOf([]byte(name)), Input: in}})
		}
		synctest.Wait()
		for name, x := range cases {
			a := got.answers[stream.FingerprintOf([]byte(name))]
			if a.Attempts != x.requests || len(said.asked[name]) != x.requests {
				t.Errorf("%s: %d attempts and %d requests, want %d", name, a.Attempts, len(said.asked[name]), x.requests)
			}
			if x.code == "" {
				if a.Rejected != nil || string(a.Result) != good {
					t.Errorf("%s: %s, %v", name, a.Result, a.Rejected)
				}
				continue
			}
			r, ok := a.Rejected.(*stream.Rejection)
			if !ok || r.Code != x.code || !strings.Contains(r.Reply, x.reply) || r.Message == "" {
				t.Errorf("%s: %+v, want %s with the reply", name, a.Rejected, x.code)
			}
		}
		asked := said.asked["cut off, once"]
		if asked[1].MaxTokens != 2*asked[0].MaxTokens || asked[1].Complaint != "" {
			t.Errorf("after it was cut off %d tokens are allowed, before %d", asked[1].MaxTokens, asked[0].MaxTokens)
		}
		again := said.asked["a value that is no choice"][1]
		if !strings.Contains(again.Complaint, `"severity"`) || !strings.Contains(again.Reply, "medium") || again.Schema == nil {
			t.Errorf("it is told %q about %q", again.Complaint, again.Reply)
		}
		if h := m.Queue().Health(); h.InputTokens != said.used.InputTokens || h.OutputTokens != said.used.OutputTokens || !h.Available {
			t.Errorf("%+v, charged %+v", h, said.used)
		}
		cancel()
		wg.Wait()
	})
}
