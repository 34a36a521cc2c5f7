package streamtest

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/freshet/freshet/stream"
)

// SinkHarness is a real target with the sink that writes it. TestSink makes one per case.
type SinkHarness interface {
	// Sink declares a sink over the target; every call is the same sink as a later process declares it.
	Sink() stream.Sink
	// Rows are what readers of the target see: columns as JSON, in the order of the schema, by the text of
	// the key. The writer is open. It may be called while Apply runs where the target has transactions.
	Rows(w stream.Writer) (map[string]Row, error)
	// Wipe removes what the target holds, while no writer is open, as a person might by hand.
	Wipe() error
}

// SinkTraits say what a target can do.
type SinkTraits struct {
	Vector       bool // its rows have a vector of four numbers, which Rows leaves out
	Transactions bool // a range of epochs is seen whole or not at all
	Shared       bool // two openings can stand side by side, the older one fenced
	Foreign      bool // rows of another state stay, to be found by stream.Lister; else the target is begun anew
	NoNUL        bool // its texts cannot hold the character U+0000
}

// TestSink holds a sink against the contract of stream.Sink and stream.Writer. open makes a harness over a
// fresh, empty target; it may use t.TempDir and t.Cleanup.
func TestSink(t *testing.T, traits SinkTraits, open func(t *testing.T) SinkHarness) {
	t.Helper()
	cases := []struct {
		name string
		run  func(c *sinkCase)
	}{
		{"random epochs end as a map does, through restarts", (*sinkCase).randomEpochs},
		{"replaying any suffix changes nothing", (*sinkCase).replaySuffix},
		{"an epoch that comes late changes nothing", (*sinkCase).lateEpoch},
		{"the last effect of a key counts within a range", (*sinkCase).rangeOfEpochs},
		{"a restart goes on where the target stood", (*sinkCase).restart},
		{"an older generation is refused and harmless", (*sinkCase).olderGeneration},
		{"a wiped target says so", (*sinkCase).wiped},
		{"a new state meets what another one wrote", (*sinkCase).otherState},
		{"an effect that cannot be read applies nothing", (*sinkCase).brokenEffects},
		{"a cancelled call can be repeated", (*sinkCase).cancelled},
		{"rows that are tried apart do not move the progress", (*sinkCase).triedApart},
		{"deleting what is not there is nothing", (*sinkCase).deleteAbsent},
		{"odd keys and values come back as they went in", (*sinkCase).oddValues},
		{"large rows come back as they went in", (*sinkCase).largeRows},
		{"owners grow, shrink and leave", (*sinkCase).ownersChange},
		{"several collections lie beside each other", (*sinkCase).severalCollections},
		{"readers never see half a range", (*sinkCase).readers},
		{"a dropped target is as new", (*sinkCase).dropped},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			s := &sinkCase{t: t, traits: traits, harness: open(t), state: "state-1", collections: sinkCollections(traits, 1), rows: map[string]Row{}}
			t.Cleanup(func() {
				s.close()
				goleak.VerifyNone(t, before)
			})
			c.run(s)
		})
	}
}

// sinkCase is one target with the model of what it should hold.
type sinkCase struct {
	t           *testing.T
	traits      SinkTraits
	harness     SinkHarness
	state       string
	collections []stream.SinkCollection
	writer      stream.Writer
	progress    stream.Progress
	generation  uint64 // the newest that the state knows
	epoch       uint64 // the newest applied
	rows        map[string]Row
}

// open opens the target as the state that the case plays.
func (c *sinkCase) open() {
	c.t.Helper()
	w, err := c.harness.Sink().Open(context.Background(), c.target())
	if err != nil {
		c.t.Fatalf("open: %v", err)
	}
	was := c.generation
	c.writer, c.progress = w, w.Progress()
	c.generation = c.progress.Generation
	if c.generation <= was {
		c.t.Fatalf("the generation is %d after %d: nothing is fenced", c.generation, was)
	}
}

func (c *sinkCase) target() stream.Target {
	return stream.Target{Flow: "flow", Sink: "sink", Instance: 17, State: c.state, Dir: c.dir(), Generation: c.generation,
		Epoch: c.epoch, Collections: c.collections, MemoryBytes: 64 << 20}
}

// dir is given to sinks that live in the state directory; one folder for the whole case.
func (c *sinkCase) dir() string {
	if d, ok := c.harness.(interface{ StateDir() string }); ok {
		return d.StateDir()
	}
	return ""
}

func (c *sinkCase) close() {
	if c.writer == nil {
		return
	}
	w := c.writer
	c.writer = nil
	if err := w.Close(); err != nil {
		c.t.Errorf("close: %v", err)
	}
}

func (c *sinkCase) reopen() {
	c.t.Helper()
	c.close()
	c.open()
}
