package engine_test

import (
	"fmt"
	"testing"
	"time"
)

// The answer to a call that nobody waits for any more comes between the moment at which another owner
// finds it missing and the moment at which its calls are handed over: it is not paid again (I7).
func TestAnAnswerThatComesDuringACommitIsNotPaidAgain(t *testing.T) {
	comesAt(t, "commit.before", func(*world) {})
}

// The same between the moment at which an epoch's calls are found and the one at which it is durable, while the
// next one takes the answer.
func TestAnAnswerThatTheNextEpochTakesIsNotPaidAgain(t *testing.T) {
	comesAt(t, "commit.applied", func(w *world) {
		for i := range 1000 {
			w.put(fmt.Sprintf("k%03d", i), "", 0)
		}
	})
}

// comesAt has the answer come while a commit is held up at a point, after meanwhile has been done.
func comesAt(t *testing.T, held string, meanwhile func(w *world)) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		w.model.Delay(time.Second)
		w.put("first", "asked", 0)
		m.start()
		w.put("first", "other", 0)
		m.settle()
		hold := true
		m.crash = func(point string) {
			if point == held && hold {
				hold = false
				meanwhile(w)
				<-time.After(time.Second + time.Millisecond)
			}
		}
		w.put("second", "asked", 0)
		m.pass(time.Minute)
		if hold {
			t.Fatal("no commit was held up")
		}
		w.verify("in the end")
		w.paidAtMost(1)
		m.stop()
	})
}
