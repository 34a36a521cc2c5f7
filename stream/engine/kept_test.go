package engine

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// Results that the memo could not keep end the run: their owners would wait for them for ever, and nobody would know (I10).
func TestResultsThatCannotBeKeptEndTheRun(t *testing.T) {
	db, err := statestore.Open("state", statestore.DBOptions{FS: vfs.NewMem(), MemoryBytes: 8 << 20, DiskFreeBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	memo, err := newAnswers(db.Memo, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{memo: memo, wakeup: make(chan struct{}, 1), o: Options{Crash: func(string) {}}}
	e.answer([]stream.Answer{{Fingerprint: stream.Fingerprint{1}, Result: []byte("kept")}})
	if answers, err := e.answered.take(); len(answers) != 1 || err != nil {
		t.Fatalf("%d answers come, %v", len(answers), err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	e.answer([]stream.Answer{{Fingerprint: stream.Fingerprint{2}, Result: []byte("lost")}})
	if err := e.gatherAnswers(&gathered{}); err == nil {
		t.Error("the run goes on")
	}
	select {
	case <-e.wakeup:
	default:
		t.Error("nobody wakes the loop")
	}
}
