package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/broker"
	"github.com/freshet/freshet/internal/idle"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Run implements stream.Source.
func (s *Source) Run(ctx context.Context, start cdc.Start, out cdc.Inlet) error {
	schema, err := s.known(ctx)
	if err != nil {
		return err
	}
	at, err := decodeCursor(start.Resume)
	if err != nil {
		return err
	}
	r := &run{source: s, start: start, out: out, cursor: at, first: start.Resume == ""}
	if start.Rescan {
		r.cursor, r.first = &cursor{number: at.number}, false
	}
	var carried []int
	if len(start.Columns) > 0 {
		carried = start.Columns[0]
	}
	if r.format, r.decoded, err = s.format(schema, carried); err != nil {
		return err
	}
	if err := r.sessions(ctx); ctx.Err() == nil {
		return err
	}
	return nil
}

// run is one reading of the topics. It belongs to one goroutine.
type run struct {
	source  *Source
	start   cdc.Start
	out     cdc.Inlet
	format  format
	decoded *decoded

	client *kgo.Client // of the session
	admin  *kadm.Client

	cursor    *cursor // behind everything that is in batch or was put
	first     bool    // nothing has ever been read: the flow says where to begin
	batch     *cdc.Batch
	committed int64  // size of the batch at its last commit
	moved     bool   // the cursor is further than the last commit
	time      int64  // of the newest record in the transaction
	scratch   []byte // of a position
	goals     goals
	caught    bool // the runner knows that we have caught up
	quiet     map[part]int64
	lookAt    time.Time
	failing   time.Time // since when the cluster does not answer; zero: it does
	hindered  bool      // the runner has been told of a problem
}

// part names a partition.
type part struct {
	topic     string
	partition int32
}

// goals are the offsets to be reached before everything is read that stood there at the start. What has
// been reached is not among them.
type goals map[part]int64

// setback is what a new session may mend.
type setback struct{ err error }

func (s *setback) Error() string { return s.err.Error() }
func (s *setback) Unwrap() error { return s.err }

// Between two sessions lies a pause that grows from pauseMin to pauseMax.
const (
	pauseMin = 250 * time.Millisecond
	pauseMax = 5 * time.Second
)

// onceTimeout is how long a run with Once waits for a cluster that does not answer, and missingTimeout for a
// topic that is not there, which a cluster may tell shortly after it was made.
const (
	onceTimeout    = 20 * time.Second
	missingTimeout = 2 * time.Second
)

// sessions reads with one client after another: a partition that a client has given up is not read by it
// again. Only what a person has to mend ends them.
func (r *run) sessions(ctx context.Context) error {
	pause := pauseMin
	for {
		before := r.cursor.number
		err := r.session(ctx)
		var back *setback
		if !errors.As(err, &back) {
			return err
		}
		if r.cursor.number > before {
			pause = pauseMin // it has read something
		}
		if err := r.hinder(back.err); err != nil {
			return err
		}
		if err := idle.For(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, pauseMax)
	}
}

// hinder tells what keeps the source from reading, and gives up where nobody would be told.
func (r *run) hinder(err error) error {
	if r.failing.IsZero() {
		r.failing = time.Now()
	}
	patience := onceTimeout
	if errors.Is(err, errNoTopic) {
		patience = missingTimeout
	}
	var registry *registryError
	denied := broker.Denied(err) || errors.As(err, &registry) && registry.denied()
	if r.start.Once && (denied || time.Since(r.failing) >= patience) {
		return r.unreachable(err, denied)
	}
	r.hindered = true
	r.out.Problem(r.unreachable(err, denied))
	return nil
}

// unreachable names a cluster or topic that cannot be read.
func (r *run) unreachable(err error, denied bool) error {
	var registry *registryError
	switch {
	case errors.As(err, &registry):
		return registry.unreachable()
	case denied:
		return &cdc.SourceError{Code: "access_denied", Err: err,
			Hint: "check user, password and mechanism under sasl, and that the user may read the topic and describe it"}
	case errors.Is(err, errNoTopic):
		return &cdc.SourceError{Code: "server_unreachable", Err: err, Hint: "make the topic, or name another one: freshet makes none to read from"}
	}
	return &cdc.SourceError{Code: "server_unreachable", Err: fmt.Errorf("reach brokers %v: %w", r.source.o.Brokers, err),
		Hint: "check that the brokers run and that their advertised addresses can be reached from here"}
}

// answered says that the cluster answers again.
func (r *run) answered() {
	r.failing = time.Time{}
	if r.hindered {
		r.hindered = false
		r.out.Problem(nil)
	}
}

// What a client may hold of records that were fetched and not polled (I9): one answer of each broker, as it
// comes over the wire. As much may have been polled and is being taken.
const (
	fetchBytes          = 2 << 20
	fetchPartitionBytes = 1 << 20
)

// fetchWait is how long a broker may wait for records. A partition that is added meanwhile waits as long.
const fetchWait = 250 * time.Millisecond

// session opens a client, makes sure that nothing is lost, and reads until a fault or the end.
func (r *run) session(ctx context.Context) error {
	options, err := r.source.o.Access.Options()
	if err != nil {
		return err
	}
	// KeepControlRecords: the marks of transactions are places that the cursor passes. NoResetOffset: what is
	// out of range is for the guard to judge, never to be jumped over.
	r.client, err = kgo.NewClient(append(options, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.FetchMaxWait(fetchWait), kgo.FetchMaxBytes(fetchBytes), kgo.FetchMaxPartitionBytes(fetchPartitionBytes),
		kgo.MetadataMaxAge(time.Minute), kgo.MetadataMinAge(pauseMin), kgo.RetryTimeout(askTimeout), kgo.RequestTimeoutOverhead(askTimeout))...)
	if err != nil {
		return fmt.Errorf("open client: %w", err)
	}
	defer r.client.Close()
	r.admin = kadm.NewClient(r.client)
	seen, err := r.survey(ctx)
	if err != nil {
		return &setback{err}
	}
	if gap := r.cursor.gap(seen); gap != nil {
		if _, here := seen[r.source.o.Topic]; r.source.o.Topic != "" && !here {
			return &setback{fmt.Errorf("read topic %s: %w", r.source.o.Topic, errNoTopic)}
		}
		return r.guard(gap)
	}
	if err := r.begin(ctx, seen); err != nil {
		return err
	}
	r.answered()
	return r.follow(ctx)
}

// begin has the client read from the cursor on.
func (r *run) begin(ctx context.Context, seen map[string]surveyed) error {
	if r.cursor.plan(seen, r.first && r.source.o.Start == "latest") {
		r.moved = true
	}
	r.first = false
	if r.goals == nil {
		r.goals = goals{}
		for name, t := range seen {
			for number, e := range t.partitions {
				r.goals[part{name, number}] = e.stable
			}
		}
	}
	r.goals.settle(r.cursor)
	r.quiet = map[part]int64{}
	r.lookAt = time.Now().Add(lookEvery)
	r.client.AddConsumePartitions(r.cursor.offsets(nil))
	return r.flush(ctx) // where it begins is durable before anything else: it shall not move
}

// offsets are the places to fetch from, as a client takes them; of all partitions but those known.
func (c *cursor) offsets(known *cursor) map[string]map[int32]kgo.Offset {
	all := map[string]map[int32]kgo.Offset{}
	for i := range c.topics {
		t := &c.topics[i]
		for _, p := range t.partitions {
			if known != nil && known.partition(t.name, p.partition) != nil {
				continue
			}
			if all[t.name] == nil {
				all[t.name] = map[int32]kgo.Offset{}
			}
			all[t.name][p.partition] = kgo.NewOffset().At(p.next).WithEpoch(p.epoch)
		}
	}
	return all
}

// settle removes the goals that the cursor has reached.
func (g goals) settle(c *cursor) {
	for at, goal := range g {
		if p := c.partition(at.topic, at.partition); p != nil && p.next >= goal {
			delete(g, at)
		}
	}
}
