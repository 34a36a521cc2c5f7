package streamtest

import (
	"context"
	"errors"

	"github.com/freshet/freshet/stream"
)

func (c *sinkCase) restart() {
	c.open()
	if c.progress.Epoch != 0 || c.progress.Wiped || c.progress.Foreign {
		c.t.Errorf("a new target tells of the progress %+v", c.progress)
	}
	for n := range uint64(5) {
		c.apply(sinkEpoch{2*n + 1, []sinkRow{textRow("a", int64(n), "x")}})
		c.reopen()
		if c.progress.Epoch != c.epoch || c.progress.Wiped || c.progress.Foreign {
			c.t.Errorf("after epoch %d the target tells of the progress %+v", c.epoch, c.progress)
		}
		c.verify("after a restart")
	}
	c.reopen() // nothing between: the generation still grows
}

// I3: of two openings, only the newer may write.
func (c *sinkCase) olderGeneration() {
	c.open()
	c.apply(sinkEpoch{1, []sinkRow{textRow("a", 1, "x"), textRow("b", 1, "x")}})
	older, old := c.writer, c.generation
	if !c.traits.Shared {
		if w, err := c.harness.Sink().Open(context.Background(), c.target()); err == nil {
			c.t.Errorf("a second opening is not refused: %v", w.Close())
		}
		c.close()
		older = nil
	}
	c.open()
	newer := c.writer
	late := sinkEpoch{2, []sinkRow{textRow("a", 1, "zombie"), {owner: "b", part: 1, remove: true}}}
	writers := []stream.Writer{newer}
	if older != nil {
		writers = append(writers, older)
	}
	for _, w := range writers {
		if err := w.Apply(context.Background(), c.txn(old, late)); !errors.Is(err, stream.ErrFenced) {
			c.t.Errorf("a write of an older generation ends with %v, want %v", err, stream.ErrFenced)
		}
		c.verify("after a write of an older generation")
	}
	c.apply(sinkEpoch{2, []sinkRow{textRow("c", 1, "x")}})
	c.verify("after a write of the newer generation")
	if older != nil {
		if err := older.Close(); err != nil {
			c.t.Errorf("close the older opening: %v", err)
		}
	}
}

// I10: a loss is told from what is merely new.
func (c *sinkCase) wiped() {
	c.open()
	c.apply(sinkEpoch{1, []sinkRow{textRow("a", 1, "x")}})
	c.apply(sinkEpoch{2, []sinkRow{textRow("b", 1, "x")}})
	c.close()
	if err := c.harness.Wipe(); err != nil {
		c.t.Fatalf("wipe: %v", err)
	}
	c.open()
	if !c.progress.Wiped {
		c.t.Fatalf("a wiped target tells of the progress %+v", c.progress)
	}
	c.rows = map[string]Row{}
	c.verify("after the wipe")
	c.close()
	c.epoch = 0 // the state begins anew with the target
	c.open()
	if c.progress.Wiped {
		c.t.Errorf("a target that nothing was applied to tells of the progress %+v", c.progress)
	}
	c.apply(sinkEpoch{3, []sinkRow{textRow("a", 1, "again")}})
	c.verify("written again")
}

// I3, I6: another state can neither be refused nor count as this one.
func (c *sinkCase) otherState() {
	c.open()
	for n := range uint64(50) {
		c.apply(sinkEpoch{n + 1, []sinkRow{textRow("a", int64(n%5), "first"), textRow("b", 0, "first")}})
	}
	c.close()
	c.state, c.epoch, c.generation = "state-2", 0, 0
	c.open()
	if c.progress.Epoch != 0 || c.progress.Wiped {
		c.t.Errorf("to another state the target tells of the progress %+v", c.progress)
	}
	if c.traits.Foreign {
		if _, lists := c.writer.(stream.Lister); !c.progress.Foreign || !lists {
			c.t.Errorf("rows of another state are there: the progress is %+v, keys are listed: %v", c.progress, lists)
		}
	} else {
		c.rows = map[string]Row{}
	}
	c.verify("opened by another state")
	c.apply(sinkEpoch{1, []sinkRow{textRow("a", 0, "second"), {owner: "b", part: 0, remove: true}}})
	c.verify("written by another state")
	c.reopen()
	if c.progress.Epoch != 1 || c.progress.Wiped {
		c.t.Errorf("after a restart of the other state the progress is %+v", c.progress)
	}
	c.verify("after a restart of the other state")
}

func (c *sinkCase) dropped() {
	dropper, ok := c.harness.Sink().(stream.Dropper)
	if !ok {
		c.t.Skip("the sink keeps what it made")
	}
	c.open()
	c.apply(sinkEpoch{1, []sinkRow{textRow("a", 1, "x")}})
	c.close()
	for range 2 { // a crash may make it come twice
		if err := dropper.Drop(context.Background(), c.target()); err != nil {
			c.t.Fatalf("drop: %v", err)
		}
	}
	c.epoch, c.rows = 0, map[string]Row{}
	c.open()
	if c.progress.Epoch != 0 || c.progress.Wiped || c.progress.Foreign {
		c.t.Errorf("a dropped target tells of the progress %+v", c.progress)
	}
	c.verify("after the drop")
}
