package accel_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
)

// judge scores a text by its length, and rejects what is poison, by its place.
type judge struct {
	mu    sync.Mutex
	asked []string
}

func (j *judge) Identity() accel.Identity { return accel.Identity{Provider: "test", Model: "judge"} }

func (j *judge) Rank(_ context.Context, query string, texts []string) (accel.Ranked, error) {
	j.mu.Lock()
	j.asked = append(j.asked, query+": "+strings.Join(texts, " "))
	j.mu.Unlock()
	var r accel.Ranked
	for i, text := range texts {
		if text == "poison" {
			return accel.Ranked{}, &accel.Error{Kind: accel.Rejected, Status: 400, Rows: []int{i}, Message: "no"}
		}
		r.Scores = append(r.Scores, float64(len(text)))
	}
	r.Usage.InputTokens = int64(len(texts))
	return r, nil
}

func pair(query, text string) string { return string(accel.AppendPair(nil, query, text)) }

func TestTextsOfOneQueryAreScoredTogetherAndOthersApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &judge{}
		var mu sync.Mutex
		results := map[string]accel.Result{}
		b := accel.NewBatcher(accel.Ranking(j), accel.BatcherOptions{Governor: backpressure.New(backpressure.Options{Concurrency: 1}),
			Rows: 16, Done: func(rs []accel.Result) {
				mu.Lock()
				defer mu.Unlock()
				for _, r := range rs {
					results[string(r.Fingerprint[:1])] = r
				}
			}})
		var calls []accel.Call
		for i, p := range []string{pair("q", "a"), pair("q", "bb"), pair("r", "ccc"), pair("q", "poison"), pair("r", "dddd"), pair("s", "")} {
			calls = append(calls, accel.Call{Fingerprint: [16]byte{byte('0' + i)}, Text: p, Stage: "step"})
		}
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		b.Submit(calls)
		group.Go(func() { _ = b.Run(ctx) })
		synctest.Wait()
		cancel()
		group.Wait()
		var got []string
		for i := range calls {
			r := results[string(rune('0'+i))]
			if r.Err != nil {
				e, _ := errors.AsType[*accel.Error](r.Err)
				got = append(got, e.Kind.String())
				continue
			}
			score, err := accel.ScoreIn(r.Text)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(score))
		}
		if diff := cmp.Diff([]string{"1", "2", "3", "rejected", "4", "0"}, got); diff != "" {
			t.Errorf("scores (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"q: a bb poison", "q: a bb", "r: ccc dddd", "s: "}, j.asked); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
}

func TestInputsThatHoldNoPairAreNone(t *testing.T) {
	for _, input := range []string{"", "\x05ab", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"} {
		if _, err := accel.Ranking(&judge{}).Answer(t.Context(), []accel.Asked{{Text: input}}); err == nil {
			t.Errorf("%q was taken for a query and a text", input)
		}
	}
}

// scribe answers with what it was asked.
type scribe struct{}

func (scribe) Identity() accel.Identity { return accel.Identity{} }

func (scribe) Transcribe(_ context.Context, r accel.Recording) (accel.Transcript, error) {
	return accel.Transcript{Text: fmt.Sprintf("%s|%s|%x", r.Language, r.Prompt, r.File)}, nil
}

func TestARecordingReachesTheModelWithItsLanguageAndPrompt(t *testing.T) {
	r := accel.Recording{Language: "de", Prompt: "Freshet, Kafka", File: "\x00\xffsound"}
	a := accel.Transcription(scribe{})
	answers, err := a.Answer(t.Context(), []accel.Asked{{Text: string(r.Append(nil))}})
	if err != nil || string(answers.Each[0].Text) != "de|Freshet, Kafka|00ff736f756e64" {
		t.Errorf("%+v, %v", answers, err)
	}
	if _, err := a.Answer(t.Context(), []accel.Asked{{Text: "\x09"}}); err == nil {
		t.Error("an input without a recording was taken for one")
	}
	if c := a.Cost(accel.Asked{Text: strings.Repeat("x", 1<<20)}); c.Input < 1<<13 || c.Output < 1<<12 {
		t.Errorf("a mebibyte of sound is taken to cost %+v", c)
	}
}

func TestAnImageIsNoText(t *testing.T) {
	image := string(accel.AppendImage(nil, []byte("\x89PNG")))
	if file, ok := accel.ImageIn(image); !ok || file != "\x89PNG" {
		t.Errorf("%q, %v", file, ok)
	}
	if _, ok := accel.ImageIn("ÿ text"); ok {
		t.Error("a text was taken for an image")
	}
	if accel.EstimateInput(image) < 1000 || accel.EstimateInput("abc") != 1 {
		t.Error("an image costs as much as a text of its length")
	}
}

// FuzzInputs holds what inputs are read as against what they were made of.
func FuzzInputs(f *testing.F) {
	f.Add("query", "text", "\x05ab")
	f.Add("", "", "\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
	f.Fuzz(func(t *testing.T, a, b, any string) {
		said, err := accel.Transcription(scribe{}).Answer(t.Context(), []accel.Asked{{Text: string((&accel.Recording{Language: a, Prompt: b, File: any}).Append(nil))}})
		if err != nil || string(said.Each[0].Text) != fmt.Sprintf("%s|%s|%x", a, b, any) {
			t.Errorf("%q, %q and %q are read as %+v, %v", a, b, any, said, err)
		}
		j := &judge{}
		if _, err := accel.Ranking(j).Answer(t.Context(), []accel.Asked{{Text: pair(a, b)}}); b != "poison" && (err != nil || j.asked[0] != a+": "+b) {
			t.Errorf("%q and %q are read as %q, %v", a, b, j.asked, err)
		}
		_, _ = accel.Ranking(j).Answer(t.Context(), []accel.Asked{{Text: any}})
		_, _ = accel.Transcription(scribe{}).Answer(t.Context(), []accel.Asked{{Text: any}})
	})
}
