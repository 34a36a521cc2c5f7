package console

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/stream/engine"
)

func TestFiguresAreWrittenForPeople(t *testing.T) {
	cases := []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(1234567), "1,234,567"}, {count(-1234), "-1,234"},
		{perSecond(0), "0/s"}, {perSecond(0.004), "<0.1/s"}, {perSecond(3.14), "3.1/s"}, {perSecond(12345.6), "12,346/s"},
		{span(0), "–"}, {span(3.21), "3.2 ms"}, {span(38.4), "38 ms"}, {span(1234), "1.2 s"}, {span(75_000), "1 min 15 s"},
		{long(3 * time.Second), "3 s"}, {long(2*time.Hour + 5*time.Minute), "2 h 5 min"}, {long(50 * time.Hour), "2 d 2 h"},
		{long(time.Minute), "1 min"}, {long(48 * time.Hour), "2 d"}, {long(2*time.Hour + 30*time.Second), "2 h"},
		{Lasting(0), "less than 1 ms"}, {Lasting(60 * time.Millisecond), "60 ms"}, {Lasting(2 * time.Second), "2 s"},
		{Lasting(2340 * time.Millisecond), "2.3 s"}, {Lasting(75 * time.Second), "1 min 15 s"},
		{money(0), "$0"}, {money(0.0000001), "<$0.000001"}, {money(0.000012), "$0.000012"}, {money(12.345), "$12.35"},
		{Counted(1, "row", "rows"), "1 row"}, {Counted(1200, "row", "rows"), "1,200 rows"},
		{left(100, 0), "–"}, {left(100, 10), "about 10 s"},
	}
	for _, c := range cases {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestEveryReasonSaysWhatHelpsAndTheGraveOnesComeFirst(t *testing.T) {
	codes := []string{"catching_up", "disk_full", "intake_paused", "model_unavailable", "paused", "sink_unavailable", "source_unavailable", "something_new"}
	var reasons []engine.Reason
	for _, code := range codes {
		reasons = append(reasons, engine.Reason{Code: code, Message: "m"})
	}
	all := Advise(Sample{Reasons: reasons})
	if len(all) != len(codes) || all[len(all)-1].Code != "catching_up" {
		t.Fatalf("%+v", all)
	}
	for _, a := range all {
		if a.Title == "" || a.Do == "" || a.Text != "m" {
			t.Errorf("%s is explained by %+v", a.Code, a)
		}
	}
	auth := "auth"
	refused := Sample{Status: engine.Status{Models: map[string]engine.ModelStatus{"bge": {Reason: &auth}}},
		Reasons: []engine.Reason{{Code: "model_unavailable", Message: "model bge: refused"}}}
	if all := Advise(refused); !strings.Contains(all[0].Do, "key") {
		t.Errorf("a model that refuses the key is explained by %+v", all)
	}
	for _, reason := range []string{"auth", "quota", "unknown_model", "model_changed", "budget", "retry_after", "errors", "other"} {
		if title, do := hindrance(reason); title == "" || do == "" {
			t.Errorf("%s is explained by %q, %q", reason, title, do)
		}
	}
}

// at is a time of tests, and seen a flow with one sink at seconds behind it.
var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func seen(seconds float64, epoch uint64, written, waiting int64) Sample {
	return Sample{At: at.Add(time.Duration(seconds * float64(time.Second))), Ready: true, Status: engine.Status{Flow: "shop", State: "running", Epoch: epoch,
		Sinks: map[string]engine.SinkStatus{"index": {UpsertsTotal: written, Outbox: int(waiting)}}}}
}

func TestWatchTellsRatesOfTheLastSeconds(t *testing.T) {
	var w Watch
	if _, ok := w.rate(writesOf("index")); ok {
		t.Error("a rate is known before anything was seen")
	}
	w.See(seen(0, 1, 0, 0))
	if _, ok := w.rate(writesOf("index")); ok {
		t.Error("a rate is known after one look")
	}
	w.See(seen(1, 2, 10, 0))
	if rate, ok := w.rate(writesOf("index")); !ok || rate != 10 {
		t.Errorf("rate %v, %v", rate, ok)
	}
	for i := 2; i <= 100; i++ {
		w.See(seen(float64(i), uint64(i), 10, 0))
	}
	if rate, _ := w.rate(writesOf("index")); rate != 0 {
		t.Errorf("rate %v long after", rate)
	}
	if line := w.line(writesOf("index")); len(line) != 50 || line[0] != 5 || line[49] != 0 {
		t.Errorf("line %v", line)
	}
	for i := 101; i <= 1000; i++ {
		w.See(seen(float64(i), uint64(i), 10, 0))
	}
	if n := len(w.line(writesOf("index"))); n != samplesMax-1 {
		t.Errorf("%d samples are kept", n)
	}
	// A flow that begins anew counts from where its state is.
	w.See(seen(1002, 1, 0, 0))
	if _, ok := w.rate(writesOf("index")); ok {
		t.Error("a rate is taken over two runs")
	}
}

func TestWhatWaitsAndDoesNotMoveStandsStill(t *testing.T) {
	state := func(samples ...Sample) string {
		var w Watch
		for _, s := range samples {
			w.See(s)
		}
		return FiguresOf(&w).Text["sink.index.state"]
	}
	cases := []struct {
		name    string
		samples []Sample
		want    string
	}{
		{"nothing waits", []Sample{seen(0, 1, 5, 0), seen(20, 1, 5, 0)}, "in step"},
		{"it waits for a short time", []Sample{seen(0, 1, 5, 3), seen(4, 1, 5, 3)}, "moving"},
		{"it waits and nothing is written", []Sample{seen(0, 1, 5, 3), seen(8, 1, 5, 3), seen(16, 1, 5, 3)}, "stands still"},
		{"it waits, but something was written", []Sample{seen(0, 1, 5, 3), seen(8, 2, 6, 3), seen(16, 2, 6, 3)}, "moving"},
		{"it began to wait just now", []Sample{seen(0, 1, 5, 0), seen(14, 1, 5, 0), seen(16, 2, 5, 3)}, "moving"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := state(c.samples...); got != c.want {
				t.Errorf("the sink %s, want %s", got, c.want)
			}
		})
	}
}

func TestFiguresOfOneAreSingular(t *testing.T) {
	var w Watch
	w.See(Sample{At: at, Status: engine.Status{State: "running", Epoch: 1, Sources: map[string]engine.SourceStatus{"docs": {ChangesTotal: 1}},
		Steps: map[string]engine.StepStatus{"vectors": {Rows: 1, CallsTotal: 1, Pending: 1}}, Sinks: map[string]engine.SinkStatus{"index": {Rows: 1}}}})
	got := FiguresOf(&w).Text
	for figure, want := range map[string]string{"source.docs.passed": "1 change", "step.vectors.passed": "1 row", "step.vectors.asks": "1 call, 1 waits", "sink.index.passed": "1 row"} {
		if got[figure] != want {
			t.Errorf("%s is %q, want %q", figure, got[figure], want)
		}
	}
}

func TestAModelSaysWhenItIsAskedAgain(t *testing.T) {
	var w Watch
	until, reason := at.Add(14*time.Second), "errors"
	w.See(Sample{At: at, Status: engine.Status{State: "running", Epoch: 1, Models: map[string]engine.ModelStatus{"bge": {Breaker: "open", Reason: &reason, Until: &until}}}})
	if got, want := FiguresOf(&w).Text["model.bge.breaker"], "open, asked again in 14 s"; got != want {
		t.Errorf("breaker: %q, want %q", got, want)
	}
}

func TestWordsOfTheQuestionAreMarked(t *testing.T) {
	cases := []struct {
		name, text, question string
		want                 []mark
	}{
		{"whole words in any case", "How to Rotate, rotated", "how do I rotate", []mark{{"How", true}, {" to ", false}, {"Rotate", true}, {", rotated", false}}},
		{"short words are not", "to do", "to do", []mark{{"to do", false}}},
		{"nothing is markup", "<b>bold</b>", "bold", []mark{{"<b>", false}, {"bold", true}, {"</b>", false}}},
		{"other scripts", "Größe über", "größe", []mark{{"Größe", true}, {" über", false}}},
		{"an empty text", "", "x", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, marked(c.text, c.question)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestARowSaysItsChunkOrElseItsLongestText(t *testing.T) {
	cases := []struct{ name, row, want string }{
		{"a chunk among longer texts", `{"_key":"a.md/1","summary":"all that the document is about","chunk":"a piece\nof it"}`, "a piece of it"},
		{"no chunk", `{"_key":"a key that is longer than any text","title":"Tea","body":"boil the water"}`, "boil the water"},
		{"an empty chunk", `{"_key":"1","chunk":"","title":"Tea"}`, "Tea"},
		{"numbers and lists are no texts", `{"_key":"1","size":123456789,"tags":["a","b","c"],"title":"Tea"}`, "Tea"},
		{"no text at all", `{"_key":"1","size":3,"note":null}`, ""},
		{"a long one", `{"_key":"1","chunk":"0123456789 0123456789 0123456789 0123"}`, "0123456789 0123456789 0123456…"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			key, text, err := Brief(json.RawMessage(c.row), 30)
			if err != nil || text != c.want || key == "" {
				t.Errorf("row %q says %q, %v; want %q", key, text, err, c.want)
			}
		})
	}
	if _, _, err := Brief(json.RawMessage(`{"_key":`), 30); err == nil {
		t.Error("half a row is a row")
	}
}
