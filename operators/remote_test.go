package operators_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
)

// server answers each text with its length; it rejects the text "bad" and is out while down is set.
type server struct {
	mu    sync.Mutex
	down  *accel.Error
	asked []string
}

func (s *server) Identity() accel.Identity {
	return accel.Identity{Provider: "test", Model: "length", Revision: "7", Dims: 2}
}

func (s *server) Embed(_ context.Context, texts []string) (accel.Reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return accel.Reply{}, s.down
	}
	if slices.Contains(texts, "bad") {
		return accel.Reply{}, &accel.Error{Kind: accel.Rejected, Status: 400, Message: "no"}
	}
	s.asked = append(s.asked, texts...)
	vectors := make([][]float32, len(texts))
	for i, t := range texts {
		vectors[i] = []float32{float32(len(t)), -1}
	}
	return accel.Reply{Vectors: vectors, Usage: accel.Usage{InputTokens: int64(len(texts))}}, nil
}

func calls(texts ...string) []stream.Call {
	var all []stream.Call
	for _, t := range texts {
		all = append(all, stream.Call{Fingerprint: stream.FingerprintOf([]byte(t)), Input: []byte(t), Live: true})
	}
	return all
}

// collected takes answers as they come.
type collected struct {
	mu      sync.Mutex
	answers map[stream.Fingerprint]stream.Answer
}

func (c *collected) take(answers []stream.Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range answers {
		c.answers[a.Fingerprint] = a
	}
}

func TestRemoteAnswersCallsWithEncodedVectors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := &server{}, &collected{answers: map[stream.Fingerprint]stream.Answer{}}
		m := operators.NewRemote("m", s, operators.ModelOptions{})
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := m.Run(t.Context(), c.take); err != nil {
				t.Error(err)
			}
		})
		m.Queue().Submit(calls("a", "bad", "longer"))
		synctest.Wait()
		for text, want := range map[string][]float32{"a": {1, -1}, "longer": {6, -1}} {
			a := c.answers[stream.FingerprintOf([]byte(text))]
			if a.Rejected != nil || !slices.Equal(cdc.Value{Raw: a.Result}.AppendVector(nil), want) {
				t.Errorf("%s: %v, %v, want %v", text, a.Result, a.Rejected, want)
			}
		}
		var rejected *stream.Rejection
		if a := c.answers[stream.FingerprintOf([]byte("bad"))]; !errors.As(a.Rejected, &rejected) || rejected.Code != "rejected" || a.Result != nil {
			t.Errorf("the rejected text got %v, %v", a.Result, a.Rejected)
		}
		if h := m.Queue().Health(); !h.Available || h.InputTokens != 2 || h.Queued != 0 || h.InFlight != 0 {
			t.Errorf("health %+v, want available, two tokens, nothing waiting", h)
		}
		if err := m.Queue().Drain(t.Context()); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

func TestRemoteTellsWhatHindersIt(t *testing.T) {
	for _, c := range []struct {
		kind accel.Kind
		hard bool
	}{{accel.Unavailable, false}, {accel.Auth, true}, {accel.Quota, true}, {accel.UnknownModel, true}} {
		t.Run(c.kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{down: &accel.Error{Kind: c.kind, Message: "closed today"}}
				ctx, cancel := context.WithCancel(t.Context())
				m := operators.NewRemote("m", s, operators.ModelOptions{})
				var wg sync.WaitGroup
				wg.Go(func() {
					if err := m.Run(ctx, func([]stream.Answer) { t.Error("an outage is no answer") }); err != nil {
						t.Error(err)
					}
				})
				m.Queue().Submit(calls("a"))
				synctest.Wait()
				h := m.Queue().Health()
				if h.Available || h.Reason == "" || h.Message == "" || h.Hard != c.hard || h.Since.IsZero() || h.Queued != 1 {
					t.Errorf("health %+v, want unavailable with its reason, hard %t", h, c.hard)
				}
				cancel()
				wg.Wait()
			})
		})
	}
}

func TestRemoteGivesBackWhatItHasNotSent(t *testing.T) {
	s := &server{}
	m := operators.NewRemote("m", s, operators.ModelOptions{})
	all := calls("a", "b")
	m.Queue().Submit(all)
	if gone := m.Queue().Withdraw([]stream.Fingerprint{all[0].Fingerprint}); !slices.Equal(gone, []stream.Fingerprint{all[0].Fingerprint}) {
		t.Errorf("gave back %v, want the call that was not sent", gone)
	}
	if h := m.Queue().Health(); h.Queued != 1 {
		t.Errorf("%d calls wait, want the other one", h.Queued)
	}
}

func TestRemoteCanBeRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		m := operators.NewRemote("m", s, operators.ModelOptions{})
		for i := range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			c := &collected{answers: map[stream.Fingerprint]stream.Answer{}}
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := m.Run(ctx, c.take); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
			m.Queue().Submit(calls(fmt.Sprint("run ", i)))
			synctest.Wait()
			if len(c.answers) != 1 {
				t.Errorf("run %d: %d answers, want one", i, len(c.answers))
			}
			cancel()
			wg.Wait()
		}
	})
}

func TestIdentityIsThatOfTheModelAndNotOfItsName(t *testing.T) {
	one := operators.NewRemote("one", &server{}, operators.ModelOptions{})
	two := operators.NewRemote("two", &server{}, operators.ModelOptions{BatcherOptions: accel.BatcherOptions{Rows: 3}})
	if string(one.Identity()) != string(two.Identity()) || one.Dims() != 2 {
		t.Errorf("identities %x and %x, want the same", one.Identity(), two.Identity())
	}
	if string(one.Identity()) == string(builtin(t, 16).Identity()) {
		t.Error("two models have one identity")
	}
}

func TestInlineAnswersInOrder(t *testing.T) {
	m := builtin(t, 32)
	got, err := m.Answer([][]byte{[]byte("river"), []byte("lake"), []byte("river")})
	if err != nil || len(got) != 3 {
		t.Fatalf("%d answers (%v), want 3", len(got), err)
	}
	for i, r := range got {
		if len(r) != 4*m.Dims() {
			t.Errorf("answer %d has %d bytes, want %d", i, len(r), 4*m.Dims())
		}
	}
	if string(got[0]) != string(got[2]) || string(got[0]) == string(got[1]) {
		t.Error("the answers are not those of their texts")
	}
}
