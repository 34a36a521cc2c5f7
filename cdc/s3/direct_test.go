package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/freshet/freshet/cdc/s3/s3test"
	"github.com/freshet/freshet/internal/idle"
)

// direct asks a bucket without a network, so that it can be asked in a bubble of testing/synctest and by the million.
type direct struct {
	bucket *s3test.Bucket
	prefix string
	// Answers come late by up to latest, and what they say is that of some time in between.
	latest time.Duration
	mu     sync.Mutex
	random *rand.Rand
}

func (d *direct) open(context.Context) (bucket, func(), error) { return d, func() {}, nil }

// late waits for a part of the latency.
func (d *direct) late(ctx context.Context) error {
	if d.latest == 0 {
		return ctx.Err()
	}
	d.mu.Lock()
	wait := time.Duration(d.random.Int64N(int64(d.latest)))
	d.mu.Unlock()
	return idle.For(ctx, wait)
}

// refused turns what a script says into what a client would.
func (d *direct) refused(r s3test.Request) error {
	if no := d.bucket.Ask(r); no != nil {
		if is := meaning(no.Code, no.Status); is != nil {
			return fmt.Errorf("%s %s: %w", r.Op, r.Key, is)
		}
		return fmt.Errorf("%s %s: status %d", r.Op, r.Key, no.Status)
	}
	return nil
}

func (d *direct) list(ctx context.Context, after string) (page, error) {
	if err := d.late(ctx); err != nil {
		return page{}, err
	}
	if err := d.refused(s3test.Request{Op: "list", After: after}); err != nil {
		return page{}, err
	}
	found, more := d.bucket.List(d.prefix, after, 7)
	p := page{more: more, last: after}
	for i := range found {
		p.last = found[i].Key
		p.objects = append(p.objects, *objectOf(&found[i]))
	}
	return p, d.late(ctx)
}

func objectOf(o *s3test.Object) *object {
	return &object{key: o.Key, size: int64(len(o.Content)), etag: o.ETag, modified: o.Modified}
}

func (d *direct) head(ctx context.Context, key string) (object, error) {
	if err := d.late(ctx); err != nil {
		return object{}, err
	}
	if err := d.refused(s3test.Request{Op: "head", Key: key}); err != nil {
		return object{}, err
	}
	o, ok := d.bucket.Head(key)
	if !ok {
		return object{}, errAbsent
	}
	return *objectOf(&o), d.late(ctx)
}

func (d *direct) read(ctx context.Context, key, etag string, from, _ int64) (io.ReadCloser, object, error) {
	if err := d.late(ctx); err != nil {
		return nil, object{}, err
	}
	if err := d.refused(s3test.Request{Op: "get", Key: key}); err != nil {
		return nil, object{}, err
	}
	o, ok := d.bucket.Head(key)
	switch {
	case !ok:
		return nil, object{}, errAbsent
	case etag != "" && o.ETag != etag:
		return nil, object{}, errChanged
	}
	return io.NopCloser(bytes.NewReader(o.Content[from:])), *objectOf(&o), d.late(ctx)
}

func (d *direct) present(ctx context.Context) error {
	if err := d.late(ctx); err != nil {
		return err
	}
	return d.refused(s3test.Request{Op: "head_bucket"})
}
