package s3

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/blob"
)

// Source reads one bucket. It is safe for concurrent use.
type Source struct {
	options Options
	open    func(ctx context.Context) (found bucket, end func(), err error)
	durable durable
	sieve   sieve
}

// New checks the options, without asking the server. The error joins an [*cdc.OptionError] for each that is wrong.
func New(o Options) (*Source, error) {
	if err := o.settle(); err != nil {
		return nil, err
	}
	s := &Source{options: o, sieve: sieve{bucket: o.Bucket, prefix: o.Prefix}}
	s.open = func(ctx context.Context) (bucket, func(), error) { return dial(ctx, &s.options) }
	s.durable.init()
	return s, nil
}

// Collections is the one collection of the bucket. Its columns are known without asking the server.
func (s *Source) Collections(context.Context) ([]cdc.Collection, error) {
	return []cdc.Collection{{Schema: blob.Schema()}}, nil
}

// Run puts the objects of the bucket and then their changes; see the contract in package stream. It returns a
// [*cdc.SourceError] of code data_guard, wrapping [cdc.ErrGap], when the first comparison would delete too much, and with
// start.Once one of code access_denied or server_unreachable when the bucket cannot be read. A service tells these as
// problems while it keeps trying.
func (s *Source) Run(ctx context.Context, start cdc.Start, out cdc.Inlet) error {
	r, err := newRun(s, start, out)
	if err != nil {
		return err
	}
	if err = r.work(ctx); ctx.Err() != nil {
		return nil // whatever broke off did so because it was told to
	}
	return err
}

// Confirm implements stream.Confirmer (I1): messages whose changes are durable may be removed from their queue.
func (s *Source) Confirm(_ context.Context, position cdc.Position) error {
	n, err := blob.Sequence(position)
	if err != nil {
		return err
	}
	s.durable.set(n)
	return nil
}

// Describe writes a position in decimal: the number of transactions so far.
func (s *Source) Describe(p cdc.Position) string { return blob.Describe(p) }

// ParsePosition implements stream.Parser: it reads what Describe writes.
func (s *Source) ParsePosition(text string) (cdc.Position, error) { return blob.ParsePosition(text) }

// Report implements stream.Reporter: what notifications have told.
func (s *Source) Report() cdc.Report {
	report := cdc.Report{RetainedBytes: -1, LagBytes: -1}
	if n := &s.options.Notify; n.SQS != "" || n.Webhook.Addr != "" || n.Kafka != nil {
		notices := s.sieve.tally()
		report.Notices = &notices
	}
	return report
}

// Rescans reports that the objects can be read again at any time.
func (s *Source) Rescans() bool { return true }

// estimatedPages bounds the pages of a listing that an estimate asks for.
const estimatedPages = 20

// Estimates implements stream.Estimator: what some pages of a listing tell, of 1,000 objects each most often.
func (s *Source) Estimates(ctx context.Context) ([]cdc.Estimate, error) {
	b, end, err := s.open(ctx)
	if err != nil {
		return nil, s.fault(err)
	}
	defer end()
	var all cdc.Estimate
	var last string
	for range estimatedPages {
		page, err := b.list(ctx, last)
		if err != nil {
			return nil, s.fault(err)
		}
		for _, o := range page.objects {
			all.Rows++
			all.Bytes += min(o.size, s.options.MaxSize)
		}
		last = page.last
		if !page.more {
			return []cdc.Estimate{all}, nil
		}
	}
	return []cdc.Estimate{{Rows: -1, Bytes: -1}}, nil
}

// Probe reaches the bucket, and the queue where one is named, and says what it found.
func (s *Source) Probe(ctx context.Context) (string, error) {
	b, end, err := s.open(ctx)
	if err != nil {
		return "", s.fault(err)
	}
	defer end()
	page, err := b.list(ctx, "")
	if err != nil {
		return "", s.fault(err)
	}
	n := strconv.Itoa(len(page.objects))
	if page.more {
		n += " or more"
	}
	found := fmt.Sprintf("bucket %s can be listed; objects: %s", s.options.Bucket, n)
	if len(page.objects) > 0 {
		if _, err := b.head(ctx, page.objects[0].key); err != nil && !isAbsent(err) {
			return "", s.fault(err)
		}
	}
	if s.options.Notify.SQS == "" {
		return found, nil
	}
	q, err := dialQueue(ctx, &s.options)
	if err != nil {
		return "", s.queueFault(err)
	}
	defer q.close()
	if err := q.probe(ctx); err != nil {
		return "", s.queueFault(err)
	}
	return found + "; the queue can be read", nil
}

// durable is how far the state has got, told to whoever waits to remove messages.
type durable struct {
	mu       sync.Mutex
	sequence uint64
	changed  chan struct{} // closed and made anew at each change
}

func (d *durable) init() { d.changed = make(chan struct{}) }

// set takes what a run resumes from, or what has been confirmed.
func (d *durable) set(n uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n == d.sequence {
		return
	}
	d.sequence = n
	close(d.changed)
	d.changed = make(chan struct{})
}

// reached is the sequence number, and what is closed when it grows.
func (d *durable) reached() (uint64, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sequence, d.changed
}
