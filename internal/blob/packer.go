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

// Packer packs transactions into batches and hands them over. A transaction's position is its number.
type Packer struct {
	to      cdc.Inlet
	number  uint64 // of the last transaction
	batch   *cdc.Batch
	begun   time.Time // when the first change was added to the batch
	refused error
}

// NewPacker goes on behind a position; the empty one is before the first transaction.
func NewPacker(to cdc.Inlet, resume cdc.Position) (*Packer, error) {
	n, err := Sequence(resume)
	if err != nil {
		return nil, err
	}
	return &Packer{to: to, number: n}, nil
}

// Number is that of the last transaction.
func (p *Packer) Number() uint64 { return p.number }

// Refused is why a batch was not taken: its changes are lost to this run.
func (p *Packer) Refused() error { return p.refused }

// Room gives the batch for the next change, which has so many bytes of content; one that is large begins a new batch. It
// may wait for credit for long.
func (p *Packer) Room(ctx context.Context, size int) (*cdc.Batch, error) {
	if p.batch != nil && p.batch.Len() > 0 && p.batch.Bytes()+int64(size) > batchBytes {
		if err := p.Flush(ctx); err != nil {
			return nil, err
		}
	}
	if p.batch == nil {
		p.batch = p.to.Batch()
	}
	if p.batch.Len() == 0 {
		p.begun = time.Now()
	}
	return p.batch, nil
}

// Commit ends the transaction, and hands the batch over where it is full or has waited for long. now is when its changes
// were made, in microseconds since 1970.
func (p *Packer) Commit(ctx context.Context, now int64) error {
	p.number++
	p.batch.Commit(Position(p.number), now)
	if p.batch.Bytes() < batchBytes && !p.Due() {
		return nil
	}
	return p.Flush(ctx)
}

// Empty reports whether nothing waits to be handed over.
func (p *Packer) Empty() bool { return p.batch == nil || p.batch.Len() == 0 }

// Due reports whether changes have waited for long.
func (p *Packer) Due() bool { return !p.Empty() && time.Since(p.begun) >= maxAge }

// Flush hands the batch over. It may wait for credit for long.
func (p *Packer) Flush(ctx context.Context) error {
	if p.Empty() {
		return nil
	}
	b := p.batch
	p.batch = nil // it belongs to the inlet now
	p.refused = p.to.Put(ctx, b)
	return p.refused
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
