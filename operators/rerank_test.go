package operators_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
)

// ears is a model of all roles but that of vectors: it answers with lengths.
type ears struct{ name string }

func (e ears) Identity() accel.Identity { return accel.Identity{Provider: "test", Model: e.name} }

func (e ears) Rank(_ context.Context, query string, texts []string) (r accel.Ranked, _ error) {
	for _, text := range texts {
		r.Scores = append(r.Scores, float64(len(text))/float64(len(query)))
	}
	return r, nil
}

func (e ears) Transcribe(context.Context, accel.Recording) (accel.Transcript, error) {
	return accel.Transcript{Text: "said"}, nil
}

func scored(t testing.TB, c operators.RerankConfig, model string, keep ...string) stream.Caller {
	t.Helper()
	op, err := operators.NewRerank(c, operators.NewScorer("ranker", ears{model}, operators.ModelOptions{}))
	return bind(t, op, err, files(), keep...).(stream.Caller)
}

func heard(t testing.TB, c operators.TranscribeConfig, model string, keep ...string) stream.Caller {
	t.Helper()
	op, err := operators.NewTranscribe(c, operators.NewListener("ears", ears{model}, operators.ModelOptions{}))
	return bind(t, op, err, sounds(), keep...).(stream.Caller)
}

// sounds has files with bytes.
func sounds() *cdc.Schema {
	return &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{column("path", "string"), column("content", "bytes?"), column("text", "string?")}}
}

func TestRerankAsksOnceForAQueryAndAText(t *testing.T) {
	c := scored(t, operators.RerankConfig{Query: `"is it about " + row.path`, Text: "row.text"}, "m")
	for object, want := range map[string]string{
		`{"path": "a", "text": "x", "size": 1}`: "\x0dis it about ax",
		`{"path": "a", "text": "", "size": 1}`:  "",
		`{"path": "a", "size": 1}`:              "",
	} {
		got, ok, err := c.Input(nil, row(t, files(), object))
		if string(got) != want || ok != (want != "") || err != nil {
			t.Errorf("%s sends %q, %v, %v", object, got, ok, err)
		}
	}
	out := func(result cdc.Value) string {
		var b cdc.RowBuilder
		if err := c.Output(&b, row(t, files(), `{"path": "a", "text": "x", "size": 1}`), result); err != nil {
			t.Fatal(err)
		}
		return object(c.Schema(), b.Build())
	}
	answers, err := accel.Ranking(ears{}).Answer(t.Context(), []accel.Asked{{Text: string(accel.AppendPair(nil, "four", "x"))}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`{"path":"a","text":"x","size":1,"media_type":null,"score":0.25}`, `{"path":"a","text":"x","size":1,"media_type":null,"score":null}`}
	got := []string{out(cdc.Value{State: cdc.Set, Raw: answers.Each[0].Text}), out(cdc.Value{State: cdc.Null})}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestTranscribeSendsTheBytesOnceForLanguageAndPrompt(t *testing.T) {
	c := heard(t, operators.TranscribeConfig{Audio: "row.content", Language: "de", Prompt: "Freshet", As: "said"}, "m")
	for object, want := range map[string]string{
		`{"path": "a", "content": "AAH/"}`: "\x02de\x07Freshet\x00\x01\xff",
		`{"path": "a", "content": ""}`:     "",
		`{"path": "a"}`:                    "",
	} {
		got, ok, err := c.Input(nil, row(t, sounds(), object))
		if string(got) != want || ok != (want != "") || err != nil {
			t.Errorf("%s sends %q, %v, %v", object, got, ok, err)
		}
	}
	var b cdc.RowBuilder
	if err := c.Output(&b, row(t, sounds(), `{"path": "a", "content": "AAH/"}`), cdc.Value{State: cdc.Set}); err != nil {
		t.Fatal(err)
	}
	if got := object(c.Schema(), b.Build()); got != `{"path":"a","content":"AAH/","text":null,"said":""}` {
		t.Errorf("silence gives %s", got)
	}
}

// I7: what is not sent changes no fingerprint, what is sent and what answers does.
func TestResultsOfModelsAreSharedBetweenStepsThatAskTheSame(t *testing.T) {
	rank := operators.RerankConfig{Query: `"q"`, Text: "row.text"}
	named := rank
	named.As = "fit"
	base := scored(t, rank, "m")
	same := scored(t, named, "m")
	other := scored(t, rank, "other")
	if string(base.Calls().Logic) != string(same.Calls().Logic) || string(base.Logic()) == string(same.Logic()) {
		t.Error("another name of the column asks the model again, or changes nothing")
	}
	if string(base.Calls().Logic) == string(other.Calls().Logic) {
		t.Error("another model shares the scores")
	}
	listen := operators.TranscribeConfig{Audio: "row.content"}
	german := listen
	german.Language = "de"
	in := row(t, sounds(), `{"path": "a", "content": "AAH/"}`)
	plain, _, _ := heard(t, listen, "m").Input(nil, in)
	spoken, _, _ := heard(t, german, "m").Input(nil, in)
	if string(plain) == string(spoken) || string(heard(t, listen, "m").Logic()) == string(heard(t, german, "m").Logic()) {
		t.Error("another language shares the text")
	}
}

func TestFaultsOfRolesPointAtTheirKey(t *testing.T) {
	scorer := operators.NewScorer("ranker", ears{}, operators.ModelOptions{})
	listener := operators.NewListener("ears", ears{}, operators.ModelOptions{})
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"a score of a model without":     {build(operators.NewRerank(operators.RerankConfig{Query: `"q"`, Text: "row.text"}, builtin(t, 16))), "model"},
		"a score under a kept name":      {build(operators.NewRerank(operators.RerankConfig{Query: `"q"`, Text: "row.text", As: "_x"}, scorer)), "as"},
		"a score into the key":           {build(operators.NewRerank(operators.RerankConfig{Query: `"q"`, Text: "row.text", As: "path"}, scorer)), "as"},
		"a query that is no text":        {build(operators.NewRerank(operators.RerankConfig{Query: "row.size", Text: "row.text"}, scorer)), "query"},
		"a text that is unknown":         {build(operators.NewRerank(operators.RerankConfig{Query: `"q"`, Text: "row.txt"}, scorer)), "text"},
		"speech for a model without":     {build(operators.NewTranscribe(operators.TranscribeConfig{Audio: "b'x'"}, builtin(t, 16))), "model"},
		"sound that is a text":           {build(operators.NewTranscribe(operators.TranscribeConfig{Audio: "row.text"}, listener)), "audio"},
		"a language that is none":        {build(operators.NewTranscribe(operators.TranscribeConfig{Audio: "b'x'", Language: "German"}, listener)), "language"},
		"a vector of a text and image":   {build(operators.NewEmbed(operators.EmbedConfig{Text: "row.text", Image: "b'x'"}, builtin(t, 16))), "text"},
		"a vector of nothing":            {build(operators.NewEmbed(operators.EmbedConfig{}, builtin(t, 16))), "text"},
		"an image for a model of texts":  {build(operators.NewEmbed(operators.EmbedConfig{Image: "b'x'"}, builtin(t, 16))), "model"},
		"a prompt for a model of scores": {build(operators.NewExtract(operators.ExtractConfig{}, scorer)), "model"},
	} {
		if faults := faultsOf(test.err); len(faults) != 1 || faults[0].field != test.want || faults[0].hint == "" {
			t.Errorf("%s: %+v, %v", name, faults, test.err)
		}
	}
}
