package blob

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/freshet/freshet/cdc"
)

const (
	// batchBytes is the size from which a batch is handed over.
	batchBytes = 1 << 20
	// maxAge is how long a change waits for others to fill its batch.
	maxAge = 50 * time.Millisecond
)

// Outbox gathers transactions into batches and hands them over. A transaction's position is its number.
type Outbox struct {
	to      cdc.Inlet
	number  uint64 // of the last transaction
	batch   *cdc.Batch
	begun   time.Time // when the first change was added to the batch
	refused error
}

// NewOutbox goes on behind a position; the empty one is before the first transaction.
func NewOutbox(to cdc.Inlet, resume cdc.Position) (*Outbox, error) {
	n, err := Sequence(resume)
	if err != nil {
		return nil, err
	}
	return &Outbox{to: to, number: n}, nil
}

// Number is that of the last transaction.
func (o *Outbox) Number() uint64 { return o.number }

// Refused is why a batch was not taken: its changes are lost to this run.
func (o *Outbox) Refused() error { return o.refused }

// Room gives the batch for the next change, which has so many bytes of content; one that is large begins a new batch. It
// may wait for credit for long.
func (o *Outbox) Room(ctx context.Context, size int) (*cdc.Batch, error) {
	if o.batch != nil && o.batch.Len() > 0 && o.batch.Bytes()+int64(size) > batchBytes {
		if err := o.Flush(ctx); err != nil {
			return nil, err
		}
	}
	if o.batch == nil {
		o.batch = o.to.Batch()
	}
	if o.batch.Len() == 0 {
		o.begun = time.Now()
	}
	return o.batch, nil
}

// Commit ends the transaction, and hands the batch over where it is full or has waited for long. now is when its changes
// were made, in microseconds since 1970.
func (o *Outbox) Commit(ctx context.Context, now int64) error {
	o.number++
	o.batch.Commit(Position(o.number), now)
	if o.batch.Bytes() < batchBytes && !o.Due() {
		return nil
	}
	return o.Flush(ctx)
}

// Empty reports whether nothing waits to be handed over.
func (o *Outbox) Empty() bool { return o.batch == nil || o.batch.Len() == 0 }

// Due reports whether changes have waited for long.
func (o *Outbox) Due() bool { return !o.Empty() && time.Since(o.begun) >= maxAge }

// Flush hands the batch over. It may wait for credit for long.
func (o *Outbox) Flush(ctx context.Context) error {
	if o.Empty() {
		return nil
	}
	b := o.batch
	o.batch = nil // it belongs to the inlet now
	o.refused = o.to.Put(ctx, b)
	return o.refused
}

// Position encodes the number of a transaction so that bytes order as numbers do.
func Position(n uint64) cdc.Position {
	return cdc.Position(binary.BigEndian.AppendUint64(nil, n))
}

// Sequence is the number that [Position] has encoded; that of the empty position is 0.
func Sequence(p cdc.Position) (uint64, error) {
	switch len(p) {
	case 0:
		return 0, nil
	case 8:
		return binary.BigEndian.Uint64([]byte(p)), nil
	}
	return 0, fmt.Errorf("read position %x: %d bytes are not 8", string(p), len(p))
}

// Describe writes a position in decimal: the number of transactions so far.
func Describe(p cdc.Position) string {
	n, err := Sequence(p)
	if err != nil {
		return fmt.Sprintf("%x", string(p))
	}
	return strconv.FormatUint(n, 10)
}

// ParsePosition reads what [Describe] writes.
func ParsePosition(text string) (cdc.Position, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return "", fmt.Errorf("read position %q: it is the number of changes since the first run", text)
	}
	return Position(n), nil
}
