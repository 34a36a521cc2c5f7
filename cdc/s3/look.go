package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/blob"
	"golang.org/x/sync/semaphore"
)

// look is a question: what stands under a key? It is answered beside the run, which takes no note of the key
// meanwhile.
type look struct {
	key      string
	was      note // what is known of the key
	known    bool
	seen     *object // what a listing says of it; nil: the bucket is asked
	again    bool    // put it although its note fits
	snapshot bool
	found    bool    // by a comparison, not by a notification
	parcel   *parcel // that told of the key; may be nil

	verdict verdict
	object  object
	data    []byte // the content, where rows carry it
	head    []byte
	cause   *cdc.Cause
	err     error // of verdict blocked, or one that ends the run
	weight  int64 // of data, in the budget
}

// verdict is what became of a look.
type verdict uint8

const (
	same     verdict = iota // as it is known
	put                     // there is a row to be put
	refused                 // there is an object that can be no row; cause says why
	gone                    // nothing stands there any more
	blocked                 // it cannot be looked at; what is known of it stays
	hopeless                // err ends the run
)

// Bounds of what is looked at side by side (I9).
const (
	lookWidth  = 16
	lookBudget = 32 << 20 // bytes of content; one larger object is alone
)

// eye answers looks. It is shared by the goroutines that do.
type eye struct {
	bucket  bucket
	maxSize int64
	whole   bool // rows carry the content
	sniffs  bool // rows carry the media type
	budget  *semaphore.Weighted
	insist  func(ctx context.Context, ask func() error) error // asks again for as long as an outage lasts
}

const (
	lookTries = 5                // while an object keeps changing
	stallTime = 30 * time.Second // without a byte of content
	growsFrom = 8 << 20          // a larger content gets its memory as it comes
)

// answer finds out what stands under the key of a look.
func (e *eye) answer(ctx context.Context, l *look) {
	for try := 1; ; try++ {
		err := e.once(ctx, l, try == lookTries)
		switch {
		case err == nil:
			return
		case (errors.Is(err, errChanged) || errors.Is(err, errAbsent)) && try < lookTries:
			l.seen = nil // it is another one by now: ask what stands there
			e.release(l)
			continue
		case errors.Is(err, errArchived):
			l.reject(archived, "it has to be restored before it can be read")
		case errors.Is(err, errDenied), errors.Is(err, errRefused), errors.Is(err, errChanged), errors.Is(err, errAbsent):
			l.verdict, l.err = blocked, err
		default:
			l.verdict, l.err = hopeless, err
		}
		e.release(l)
		return
	}
}

// once looks. The last try takes whatever version it is given.
func (e *eye) once(ctx context.Context, l *look, last bool) error {
	if l.seen != nil {
		l.object = *l.seen
	} else if there, err := e.stands(ctx, l); err != nil || !there {
		return err
	}
	o := &l.object
	if l.known && !l.again && l.was.fits(o, e.maxSize) {
		l.verdict = same
		return nil
	}
	if o.size > e.maxSize {
		l.reject(tooLarge, fmt.Sprintf("%d bytes, and max_size is %d", o.size, e.maxSize))
		return nil
	}
	if o.archived {
		return errArchived
	}
	l.verdict = put
	switch {
	case e.whole && o.size > 0:
		return e.content(ctx, l, last)
	case e.sniffs:
		return e.beginning(ctx, l)
	}
	return nil
}

// stands asks for the object under the key. Where there is none, and a row is known, the bucket has to say so in
// words: an answer to HEAD does not tell a key that is gone from a bucket that is.
func (e *eye) stands(ctx context.Context, l *look) (bool, error) {
	err := e.insist(ctx, func() (err error) {
		l.object, err = e.bucket.head(ctx, l.key)
		return err
	})
	if err == nil || !errors.Is(err, errAbsent) {
		return err == nil, err
	}
	l.verdict = same
	if !l.known {
		return false, nil
	}
	err = e.insist(ctx, func() error {
		body, _, err := e.bucket.read(ctx, l.key, "", 0, 1)
		if err == nil {
			body.Close()
		}
		return err
	})
	switch {
	case errors.Is(err, errAbsent):
		l.verdict = gone
		return false, nil
	case err == nil:
		return false, errChanged // it has just come back
	}
	return false, err
}

// beginning reads as much as tells the media type, where nobody has told one.
func (e *eye) beginning(ctx context.Context, l *look) error {
	to := int64(blob.SniffBytes)
	if l.object.size == 0 {
		to = 0 // of nothing no part can be asked for
	}
	return e.insist(ctx, func() error {
		body, o, err := e.bucket.read(ctx, l.key, l.object.etag, 0, to)
		if err != nil {
			return err
		}
		defer body.Close()
		head := make([]byte, blob.SniffBytes)
		n, err := io.ReadFull(body, head)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %s: %w", l.key, err)
		}
		l.head, l.object.mediaType = head[:n], o.mediaType
		return nil
	})
}

// content reads all of an object, going on behind what it has where a connection breaks.
func (e *eye) content(ctx context.Context, l *look, last bool) error {
	l.weight = min(l.object.size, lookBudget)
	if err := e.budget.Acquire(ctx, l.weight); err != nil {
		l.weight = 0
		return err
	}
	l.data = make([]byte, 0, min(l.object.size+1, growsFrom))
	etag := l.object.etag
	err := e.insist(ctx, func() error {
		if last && len(l.data) == 0 {
			etag = ""
		}
		body, o, err := e.bucket.read(ctx, l.key, etag, int64(len(l.data)), 0)
		if err != nil {
			return err
		}
		defer body.Close()
		if etag == "" { // whatever version that is, what follows is of the same
			if o.size > e.maxSize {
				return errChanged
			}
			l.object, etag = o, o.etag
		}
		l.object.mediaType = o.mediaType
		return l.take(ctx, body)
	})
	if err == nil && int64(len(l.data)) != l.object.size {
		err = fmt.Errorf("read %s: %d bytes came of %d: %w", l.key, len(l.data), l.object.size, errChanged)
	}
	l.head = l.data[:min(len(l.data), blob.SniffBytes)]
	return err
}

// take reads a body into the data, up to one byte more than there should be. A body that stalls is given up.
func (l *look) take(ctx context.Context, body io.ReadCloser) error {
	stall := time.AfterFunc(stallTime, func() { body.Close() })
	defer stall.Stop()
	for int64(len(l.data)) <= l.object.size {
		if len(l.data) == cap(l.data) {
			l.data = slices.Grow(l.data, int(min(int64(len(l.data)), l.object.size+1-int64(len(l.data)))))
		}
		n, err := body.Read(l.data[len(l.data):cap(l.data)])
		l.data = l.data[:len(l.data)+n]
		stall.Reset(stallTime)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(fmt.Errorf("read %s: %w", l.key, err), ctx.Err())
		}
	}
	if int64(len(l.data)) < l.object.size {
		return fmt.Errorf("read %s: %w after %d of %d bytes", l.key, io.ErrUnexpectedEOF, len(l.data), l.object.size)
	}
	return nil
}

func (l *look) reject(o outcome, message string) {
	l.verdict = refused
	l.cause = &cdc.Cause{Code: o.String(), Message: l.key + ": " + message}
}

// release gives back what the content weighs.
func (e *eye) release(l *look) {
	e.budget.Release(l.weight)
	l.weight, l.data, l.head = 0, nil, nil
}

// note is what is remembered of the object that the look has found.
func (l *look) note() note {
	n := note{size: l.object.size, etag: l.object.etag}
	if l.cause != nil && l.cause.Code == tooLarge.String() {
		n.outcome = tooLarge
	} else if l.cause != nil {
		n.outcome = archived
	}
	return n
}
