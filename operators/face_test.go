package operators_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
)

// named is a server whose replies carry a name and whose vectors turn with it.
type named struct {
	server
	name  string
	turn  float32
	calls int
}

func (n *named) Embed(ctx context.Context, texts []string) (accel.Reply, error) {
	reply, err := n.server.Embed(ctx, texts)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls++
	reply.Model = n.name
	for _, v := range reply.Vectors {
		v[1] += n.turn * v[0]
	}
	return reply, err
}

// disk is where a model's memory is kept between two processes.
type disk struct {
	mu   sync.Mutex
	last []byte
	full bool
}

func (d *disk) keep(b []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		return errors.New("no space")
	}
	d.last = slices.Clone(b)
	return nil
}

// process runs a model until what it was asked is settled.
func process(t *testing.T, n accel.Embedder, d *disk, o operators.ModelOptions, texts ...string) (*operators.Remote, *collected) {
	t.Helper()
	m := operators.NewRemote("m", n, o)
	if err := m.Remember(d.last, d.keep); err != nil {
		t.Fatal(err)
	}
	got := &collected{answers: map[stream.Fingerprint]stream.Answer{}}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := m.Run(ctx, got.take); err != nil {
			t.Error(err)
		}
	})
	m.Queue().Submit(calls(texts...))
	time.Sleep(10 * time.Second)
	synctest.Wait()
	cancel()
	wg.Wait()
	return m, got
}

func TestAnotherModelUnderTheSameNameIsNoticed(t *testing.T) {
	for what, test := range map[string]struct {
		canary time.Duration
		change func(*named)
	}{
		"its replies name another": {0, func(n *named) { n.name = "two" }},
		"its vectors are others":   {10 * time.Minute, func(n *named) { n.turn = 3 }},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, d, o := &named{name: "one"}, &disk{}, operators.ModelOptions{CanaryEvery: test.canary}
				_, got := process(t, n, d, o, "a", "b")
				if len(got.answers) != 2 {
					t.Fatalf("%d answers at first", len(got.answers))
				}
				test.change(n)
				before := n.calls
				m, got := process(t, n, d, o, "c", "d")
				h := m.Queue().Health()
				if len(got.answers) != 0 || h.Reason != "model_changed" || !h.Hard || h.Available || h.Breaker != "closed" || h.Queued != 2 {
					t.Errorf("%d answers, health %+v", len(got.answers), h)
				}
				if n.calls != before+1 {
					t.Errorf("it was asked %d times more, want once", n.calls-before)
				}
				if m.Revision() != nil {
					t.Error("a revision although nobody has accepted another model")
				}
				// A person accepts it: the same calls have other fingerprints from then on.
				next, changed := m.Accept(d.last)
				if !changed {
					t.Fatal("the state does not know that it is another one")
				}
				d.last = next
				m, got = process(t, n, d, o, "c", "d")
				if len(got.answers) != 2 || string(m.Revision()) != "1" || !m.Queue().Health().Available {
					t.Errorf("%d answers, revision %q, %+v", len(got.answers), m.Revision(), m.Queue().Health())
				}
				if _, changed := m.Accept(d.last); changed {
					t.Error("it is the same model, and counts as another one")
				}
			})
		})
	}
}

func TestTheOldModelThatComesBackIsTakenUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, d := &named{name: "one"}, &disk{}
		process(t, n, d, operators.ModelOptions{}, "a")
		n.name = "two"
		process(t, n, d, operators.ModelOptions{}, "b")
		n.name = "one"
		if m, got := process(t, n, d, operators.ModelOptions{}, "b"); len(got.answers) != 1 || !m.Queue().Health().Available {
			t.Errorf("%d answers, %+v", len(got.answers), m.Queue().Health())
		}
	})
}

// other is a server of another model.
type other struct{ named }

func (o *other) Identity() accel.Identity {
	return accel.Identity{Provider: "test", Model: "other", Dims: 2}
}

func TestAFlowMayChangeItsModelAndChangeItBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two, d := &named{name: "one"}, &other{named{name: "two", turn: 9}}, &disk{}
		canary := operators.ModelOptions{CanaryEvery: time.Hour}
		for i := range int64(2) {
			for _, n := range []accel.Embedder{one, two} {
				m, got := process(t, n, d, canary, "a")
				if h := m.Queue().Health(); len(got.answers) != 1 || !h.Available {
					t.Errorf("round %d: %d answers, %+v", i, len(got.answers), h)
				}
			}
		}
		one.name = "one, another time"
		if m, _ := process(t, one, d, canary, "b"); m.Queue().Health().Reason != "model_changed" {
			t.Errorf("after a while with another model: %+v", m.Queue().Health())
		}
	})
}

func TestTheCanaryIsAskedBeforeAnyCallAndThenAtMostOnceInItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &named{name: "one"}
		m := operators.NewRemote("m", n, operators.ModelOptions{CanaryEvery: 10 * time.Minute})
		ctx, cancel := context.WithCancel(t.Context())
		got := &collected{answers: map[stream.Fingerprint]stream.Answer{}}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := m.Run(ctx, got.take); err != nil {
				t.Error(err)
			}
		})
		var texts []string
		for i := range 60 {
			text := strings.Repeat("x", i+1)
			texts = append(texts, text)
			m.Queue().Submit(calls(text))
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		if len(got.answers) != 60 {
			t.Errorf("%d answers of 60: the canary is no call", len(got.answers))
		}
		canaries := 0
		for i, text := range n.asked {
			if !slices.Contains(texts, text) {
				canaries++
			} else if i == 0 {
				t.Error("a call was sent before the canary")
			}
		}
		if canaries < 5 || canaries > 6 {
			t.Errorf("%d canaries in an hour, want one in ten minutes", canaries)
		}
		cancel()
		wg.Wait()
	})
}

func TestWhatAModelUsesIsKeptAcrossProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		options := func() operators.ModelOptions {
			return operators.ModelOptions{BatcherOptions: accel.BatcherOptions{Governor: backpressure.New(backpressure.Options{Price: backpressure.PriceOf(1e6, 0)})}}
		}
		for i := range int64(3) {
			m, _ := process(t, &server{}, d, options(), "a", "b")
			if h := m.Queue().Health(); h.InputTokens != 2*(i+1) || h.USD != float64(2*(i+1)) {
				t.Errorf("process %d: %+v", i, h)
			}
		}
		// A flow that is not running is asked as well.
		m := operators.NewRemote("m", &server{}, options())
		if err := m.Remember(d.last, nil); err != nil {
			t.Fatal(err)
		}
		if h := m.Queue().Health(); h.InputTokens != 6 {
			t.Errorf("of a stopped flow: %+v", h)
		}
		if err := m.Remember([]byte("{"), nil); err == nil {
			t.Error("a memory that cannot be read is taken for none")
		}
	})
}

func TestABudgetThatCannotBeKeptIsNotSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		daily := backpressure.MoneyOf(100)
		s, d := &server{}, &disk{full: true}
		_, got := process(t, s, d, operators.ModelOptions{BatcherOptions: accel.BatcherOptions{
			Governor: backpressure.New(backpressure.Options{Price: backpressure.PriceOf(1e6, 0), Daily: &daily})}}, "a")
		if len(got.answers) != 0 || len(s.asked) != 0 {
			t.Errorf("%d texts were sent although what they cost cannot be kept", len(s.asked))
		}
	})
}

func TestAQuestionIsCountedAndGoesNowhereWhileTheModelIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		m := operators.NewRemote("m", s, operators.ModelOptions{})
		if _, err := m.Ask(t.Context(), []byte("why")); err != nil {
			t.Fatal(err)
		}
		if h := m.Queue().Health(); h.InputTokens != 1 {
			t.Errorf("the question is not counted: %+v", h)
		}
		s.down = &accel.Error{Kind: accel.Unavailable, Status: 429, RetryAfter: time.Minute}
		if _, err := m.Ask(t.Context(), []byte("why")); err == nil {
			t.Fatal("no error")
		}
		s.down = nil
		asked := len(s.asked)
		var unwilling *backpressure.UnwillingError
		if _, err := m.Ask(t.Context(), []byte("why")); !errors.As(err, &unwilling) || len(s.asked) != asked {
			t.Errorf("before the Retry-After is over: %v, %d more asked", err, len(s.asked)-asked)
		}
		time.Sleep(time.Minute + 5*time.Second)
		if _, err := m.Ask(t.Context(), []byte("why")); err != nil {
			t.Errorf("after it: %v", err)
		}
	})
}
