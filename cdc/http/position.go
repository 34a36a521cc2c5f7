package http

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/freshet/freshet/cdc"
)

// place is where the source stands: how many pushes were taken, and what each producer has sent last.
type place struct {
	number    uint64
	producers map[string]sent
}

// sent is the newest push of a producer.
type sent struct {
	sequence uint64
	number   uint64
}

// A position carries the producers that were heard last. One that is forgotten may have an old push taken again, which
// replaces rows by key all the same.
const (
	producersMost = 64
	producerBytes = 64 // of a name
)

var errPosition = errors.New("the position is damaged")

// numberOf is the position of a change: the number of its push, which its transaction's position begins with.
func numberOf(number uint64) cdc.Position {
	return cdc.Position(binary.BigEndian.AppendUint64(nil, number))
}

// position is the number, and the producers in the order of their names.
func (p *place) position() cdc.Position {
	b := binary.BigEndian.AppendUint64(nil, p.number)
	for _, name := range slices.Sorted(maps.Keys(p.producers)) {
		b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
		b = binary.AppendUvarint(b, p.producers[name].sequence)
		b = binary.AppendUvarint(b, p.producers[name].number)
	}
	return cdc.Position(b)
}

// readPlace reads what position wrote; the empty position is the beginning.
func readPlace(position cdc.Position) (*place, error) {
	p := &place{producers: map[string]sent{}}
	if position == "" {
		return p, nil
	}
	b := []byte(position)
	if len(b) < 8 {
		return nil, fmt.Errorf("read position %x: %w", string(position), errPosition)
	}
	p.number, b = binary.BigEndian.Uint64(b), b[8:]
	for len(b) > 0 {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > producerBytes || uint64(len(b)-n) < size {
			return nil, fmt.Errorf("read position %x: %w", string(position), errPosition)
		}
		name := string(b[n : n+int(size)])
		b = b[n+int(size):]
		sequence, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, fmt.Errorf("read position %x: %w", string(position), errPosition)
		}
		number, m := binary.Uvarint(b[n:])
		if m <= 0 {
			return nil, fmt.Errorf("read position %x: %w", string(position), errPosition)
		}
		b = b[n+m:]
		p.producers[name] = sent{sequence, number}
	}
	return p, nil
}

// take numbers a push, or finds that its producer has sent it before and under which number at the latest.
func (p *place) take(producer string, sequence uint64) (number uint64, repeated bool) {
	if producer != "" {
		if last, ok := p.producers[producer]; ok && sequence <= last.sequence {
			return last.number, true
		}
	}
	p.number++
	if producer == "" {
		return p.number, false
	}
	p.producers[producer] = sent{sequence, p.number}
	if len(p.producers) > producersMost {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(p.producers)), func(a, b string) int {
			return cmp.Compare(p.producers[a].number, p.producers[b].number)
		})
		delete(p.producers, oldest)
	}
	return p.number, false
}

// Describe implements stream.Describer: the number of the newest push.
func (s *Source) Describe(p cdc.Position) string {
	if len(p) < 8 {
		return "0"
	}
	return strconv.FormatUint(binary.BigEndian.Uint64([]byte(p[:8])), 10)
}

// ParsePosition implements stream.Parser: it reads what Describe writes, and what answers to pushes say.
func (s *Source) ParsePosition(text string) (cdc.Position, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return "", fmt.Errorf("read position %q: it is the number of a push", text)
	}
	return numberOf(n), nil
}
