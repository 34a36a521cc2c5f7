package accel_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
)

func stageCalls(stage string, live bool, texts ...string) []accel.Call {
	calls := callsOf(live, texts...)
	for i := range calls {
		calls[i].Stage = stage
	}
	return calls
}

// A backfill keeps the device busy; live calls come at fifty a second beside it.
func TestFault_11_LiveCallsBesideABackfill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const batch = 20 * time.Millisecond
		m := &model{latency: batch}
		b := start(t, m, setup{Rows: 64, Concurrency: 2})
		b.warm()
		rows := 200_000
		if testing.Short() {
			rows = 60_000
		}
		solo := 2 * 64 * int(10*time.Second/batch) // what the device does in ten seconds with the backfill alone
		b.Submit(callsOf(false, numbered("bulk ", rows)...))
		begun := time.Now()
		var lives []string
		asked := map[string]time.Time{}
		for range 500 {
			text := fmt.Sprint("live ", len(lives))
			lives, asked[text] = append(lives, text), time.Now()
			b.Submit(callsOf(true, text))
			time.Sleep(20 * time.Millisecond)
		}
		bulk := 0
		for _, s := range m.between(begun, begun.Add(10*time.Second)) {
			for _, text := range s.texts {
				if strings.HasPrefix(text, "bulk") {
					bulk++
				}
			}
		}
		time.Sleep(time.Second)
		var took []time.Duration
		for _, text := range lives {
			took = append(took, b.when(text).Sub(asked[text]))
		}
		slices.Sort(took)
		if p99 := took[len(took)*99/100]; p99 > 2*batch+5*time.Millisecond {
			t.Errorf("live p99 is %v, want at most two batch times", p99)
		}
		if bulk < min(solo, rows)*9/10 {
			t.Errorf("the backfill did %d rows in ten seconds, alone it does %d", bulk, solo)
		}
		b.cancel()
	})
}

func TestFault_11_ABackfillIsNeverStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 20 * time.Millisecond}
		b := start(t, m, setup{Rows: 16, Concurrency: 1})
		b.Submit(callsOf(false, numbered("bulk ", 1000)...))
		b.Submit(callsOf(true, numbered("live ", 20_000)...)) // more than it can do
		time.Sleep(2 * time.Second)
		for i, s := range m.requests()[1:] {
			if !slices.ContainsFunc(s.texts, func(text string) bool { return strings.HasPrefix(text, "bulk") }) {
				t.Fatalf("request %d has nothing of the backfill", i)
			}
		}
		b.cancel()
	})
}

func TestFault_12_StagesShareByTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 10 * time.Millisecond}
		b := start(t, m, setup{Rows: 256, Tokens: 16_384, Concurrency: 2, Weights: map[string]int{"third": 2}, Stages: []string{"many", "long", "third"}})
		text := func(stage string, i, bytes int) string {
			return fmt.Sprintf("%s %06d %s", stage, i, strings.Repeat("x", bytes))
		}
		for i := range 200_000 { // a hundred times the rows of the others
			b.Submit(stageCalls("many", false, text("many", i, 60)))
		}
		for i := range 2000 {
			b.Submit(stageCalls("long", false, text("long", i, 12_000))) // four thousand tokens each
			b.Submit(stageCalls("third", false, text("third", i, 6_000)))
		}
		time.Sleep(2 * time.Second)
		tokens := map[string]float64{}
		total := 0.0
		for _, s := range m.requests() {
			for _, text := range s.texts {
				stage, _, _ := strings.Cut(text, " ")
				n := float64(accel.EstimateTokens(text))
				tokens[stage], total = tokens[stage]+n, total+n
			}
		}
		for stage, want := range map[string]float64{"many": 0.25, "long": 0.25, "third": 0.5} {
			if got := tokens[stage] / total; math.Abs(got-want) > 0.05 {
				t.Errorf("%s has %.3f of the tokens, want %.2f", stage, got, want)
			}
		}
		b.cancel()
	})
}

func TestFault_13_TokensPerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 60_000
		m := &model{latency: 300 * time.Millisecond}
		g := &writer{model: m, out: 100}
		b := start(t, m, setup{Rows: 1, Concurrency: 32, Limits: backpressure.Limits{backpressure.Tokens: limit}, answerer: g.answerer(2048)})
		b.Submit(callsOf(false, numbered("prompt ", 3000)...))
		begun := time.Now()
		time.Sleep(4 * time.Minute)
		type used struct {
			at     time.Time
			tokens int
		}
		var all []used
		sum := 0
		for _, s := range m.requests() {
			n := g.tokens(s.texts[0])
			all, sum = append(all, used{s.at, n}), sum+n
		}
		for i := range all {
			in := 0
			for k := i; k < len(all) && all[k].at.Sub(all[i].at) < time.Minute; k++ {
				in += all[k].tokens
			}
			if in > limit {
				t.Fatalf("a minute holds %d tokens of %d", in, limit)
			}
		}
		if minutes := time.Since(begun).Minutes(); float64(sum) < 0.9*limit*minutes {
			t.Errorf("%d tokens in %.0f minutes of %d each, want nine tenths of them", sum, minutes, limit)
		}
		b.cancel()
	})
}

// writer is a generator over a model that answers with out tokens.
type writer struct {
	*model
	out int
}

func (w *writer) tokens(text string) int { return accel.EstimateTokens(text) + w.out }

func (w *writer) Generate(ctx context.Context, p accel.Prompt) (accel.Generated, error) {
	if _, err := w.Embed(ctx, []string{p.Text}); err != nil {
		return accel.Generated{}, err
	}
	return accel.Generated{Text: "answer to " + p.Text,
		Usage: accel.Usage{InputTokens: int64(accel.EstimateTokens(p.Text)), OutputTokens: int64(w.out)}}, nil
}

func (w *writer) answerer(room int) accel.Answerer {
	return accel.Generation(w, func(text string) (accel.Task, string, error) {
		return accel.Task{Room: room, Read: func(answer string) ([]byte, string) { return []byte(answer), "" }}, text, nil
	})
}

// announcing is a model that tells its limits and keeps them, while another client takes a third of them.
type announcing struct {
	*model
	level   float64
	at      time.Time
	refused int
}

func (a *announcing) Embed(ctx context.Context, texts []string) (accel.Reply, error) {
	a.mu.Lock()
	now := time.Now()
	a.level = min(600, a.level+now.Sub(a.at).Seconds()*10)
	a.at = now
	if a.level < 1 {
		a.refused++
		a.mu.Unlock()
		return accel.Reply{}, &accel.Error{Kind: accel.Unavailable, Status: 429, RetryAfter: 100 * time.Millisecond, Announced: a.say(0)}
	}
	a.level--
	if len(a.sent)%2 == 0 {
		a.level = max(0, a.level-1)
	}
	said := a.say(int64(a.level))
	a.mu.Unlock()
	reply, err := a.model.Embed(ctx, texts)
	reply.Announced = said
	return reply, err
}

func (a *announcing) say(left int64) []backpressure.Announcement {
	return []backpressure.Announcement{{Dimension: backpressure.Requests, Limit: 600, Remaining: left, Reset: time.Duration(600-left) * 100 * time.Millisecond}}
}

func TestFault_14_ALimitThatIsSharedWithOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &announcing{model: &model{latency: 50 * time.Millisecond}, level: 100, at: time.Now()}
		b := start(t, a, setup{Rows: 1, Concurrency: 4})
		b.Submit(callsOf(false, numbered("t", 10_000)...))
		time.Sleep(5 * time.Minute)
		sent := len(a.requests()) + a.refused
		if sent < 1500 || a.refused*100 > sent {
			t.Errorf("%d of %d requests were refused, want fewer than one in a hundred of at least 1500", a.refused, sent)
		}
		b.cancel()
	})
}

func TestFault_15_NoStormOfRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		m := &model{latency: 100 * time.Millisecond}
		m.fault = func(n int, texts []string) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			if rng.IntN(10) < 3 {
				return down(n, texts)
			}
			return nil
		}
		b := start(t, m, setup{Rows: 1, Concurrency: 1000})
		texts := numbered("t", 4000)
		b.Submit(callsOf(false, texts...))
		for b.count() < len(texts) {
			time.Sleep(time.Second)
			if time.Now().Year() > 2000 {
				t.Fatal("the calls do not end")
			}
		}
		synctest.Wait()
		b.answered(t, texts...)
		s := b.Stats()
		// Three of ten attempts fail: 1/0.7 attempts for each call, and nothing on top.
		if perCall := float64(s.Requests) / float64(len(texts)); perCall > 1.6 {
			t.Errorf("%.2f attempts a call", perCall)
		}
		for i, at := range spans(m.requests(), 100*time.Millisecond) {
			if again := at.again; again > max(6, at.all*3/10) {
				t.Errorf("span %d: %d of %d requests were retries, want a fifth", i, again, at.all)
				break
			}
		}
	})
}

type span struct{ all, again int }

// spans counts the requests of each stretch of time, and those whose text was sent before.
func spans(all []sent, each time.Duration) []span {
	var out []span
	seen := map[string]bool{}
	for _, s := range all {
		i := int(s.at.Sub(all[0].at) / each)
		for len(out) <= i {
			out = append(out, span{})
		}
		out[i].all++
		if seen[s.texts[0]] {
			out[i].again++
		}
		seen[s.texts[0]] = true
	}
	return out
}

func TestFault_16_DuplicatesAreComputedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 50 * time.Millisecond, fault: func(n int, texts []string) error {
			if n == 2 {
				return down(n, texts) // it fails once for all that wait for it
			}
			return nil
		}}
		b := start(t, m, setup{Rows: 10, Concurrency: 4})
		for i := range 10_000 {
			b.Submit(callsOf(i%7 == 0, fmt.Sprint("text ", i%100)))
			if i%1000 == 0 {
				synctest.Wait()
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		paid := 0
		for _, n := range m.paid {
			paid += n
		}
		if paid != 100 || b.count() != 100 {
			t.Errorf("%d texts were paid and %d have results, want 100", paid, b.count())
		}
	})
}

// No request exceeds its bounds, what a padding model computes in vain stays under a tenth, and every call is
// answered.
func TestFault_17_BudgetsAndPadding(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 7))
		rows, tokens := 8+rng.IntN(249), []int{4096, 8192, 16_384}[rng.IntN(3)]
		var fault string
		synctest.Test(t, func(t *testing.T) { fault = pad(t, rows, tokens, rng) })
		if fault != "" {
			t.Errorf("%d rows, %d tokens, seed %d: %s", rows, tokens, seed, fault)
		}
	}
}

func pad(t *testing.T, rows, tokens int, rng *rand.Rand) string {
	m := &model{latency: 10 * time.Millisecond}
	b := start(t, m, setup{Rows: rows, Tokens: tokens, Concurrency: 2, Padded: true})
	const n = 8000
	texts := make([]string, n)
	for i := range texts {
		length := int(math.Exp(rng.NormFloat64()*0.9 + 4.5)) // log-normal, mean 135
		texts[i] = fmt.Sprintf("%05d%s", i, strings.Repeat("x", min(length, 24_000)))
	}
	b.Submit(callsOf(false, texts...))
	time.Sleep(time.Hour)
	synctest.Wait()
	if b.count() != n {
		return fmt.Sprintf("%d of %d answered", b.count(), n)
	}
	for _, s := range m.requests() {
		longest := 0
		for _, text := range s.texts {
			longest = max(longest, accel.EstimateTokens(text))
		}
		if len(s.texts) > rows || len(s.texts) > 1 && longest*len(s.texts) > tokens {
			return fmt.Sprintf("a request of %d texts, the longest of %d tokens", len(s.texts), longest)
		}
	}
	if s := b.Stats(); float64(s.PaddedTokens) > 1.10*float64(s.RealTokens) {
		return fmt.Sprintf("%d tokens are computed for %d", s.PaddedTokens, s.RealTokens)
	}
	return ""
}
