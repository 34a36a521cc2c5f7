package vector

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// The truth is one store with these keys:
//
//	m config        what the index was created with, see config
//	m progress      what has been applied, see progress
//	r KEY           the record of a key, see record
//	l SEQUENCE      the keys that a transaction touched, so that a codes snapshot can be brought up to date
//	t SEQUENCE      the keys and versions that a transaction deleted, so that tombstones can be swept
const (
	metaTable  = 'm'
	rowTable   = 'r'
	logTable   = 'l'
	graveTable = 't'
)

func rowKey(dst []byte, key string) []byte { return append(append(dst, rowTable), key...) }

func sequenceKey(table byte, sequence uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{table}, sequence)
}

func span(table byte) (from, to []byte) { return []byte{table}, []byte{table + 1} }

var (
	configKey   = append([]byte{metaTable}, "config"...)
	progressKey = append([]byte{metaTable}, "progress"...)
)

// config is what an index was created with.
type config struct {
	encoding uint32
	dims     uint32
	metric   stream.Metric
	identity [16]byte // random: a codes snapshot of another index is never taken for this one's
}

func (c config) encode() []byte {
	b := binary.BigEndian.AppendUint32(nil, c.encoding)
	b = binary.BigEndian.AppendUint32(b, c.dims)
	return append(append(b, byte(c.metric)), c.identity[:]...)
}

func decodeConfig(b []byte) (config, error) {
	if len(b) != 4+4+1+16 {
		return config{}, errors.New("malformed index configuration")
	}
	return config{
		encoding: binary.BigEndian.Uint32(b),
		dims:     binary.BigEndian.Uint32(b[4:]),
		metric:   stream.Metric(b[8]),
		identity: [16]byte(b[9:]),
	}, nil
}

// progress is what has been applied; it changes in the batch of each transaction.
type progress struct {
	generation, epoch uint64 // of the last transaction
	fence             uint64 // generations below are refused
	sequence          uint64 // transactions applied
	logFrom           uint64 // the log holds all sequences from here on
	graveFrom         uint64 // no deletion below waits to be swept
	rows              uint64 // live rows: a load that finds another number has found damage
	tombstones        uint64
	extra             []byte
}

func (p progress) encode() []byte {
	var b []byte
	for _, n := range []uint64{p.generation, p.epoch, p.fence, p.sequence, p.logFrom, p.graveFrom, p.rows, p.tombstones} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return append(b, p.extra...)
}

func decodeProgress(b []byte) (progress, error) {
	var p progress
	for _, n := range []*uint64{
		&p.generation, &p.epoch, &p.fence, &p.sequence, &p.logFrom, &p.graveFrom, &p.rows, &p.tombstones,
	} {
		if len(b) < 8 {
			return progress{}, errors.New("malformed index progress")
		}
		*n, b = binary.BigEndian.Uint64(b), b[8:]
	}
	p.extra = bytes.Clone(b)
	return p, nil
}

// covers reports whether a transaction was applied before.
func (p progress) covers(generation, epoch uint64) bool {
	return p.sequence > 0 && (generation < p.generation || generation == p.generation && epoch <= p.epoch)
}

// appendKeyed appends a key after its length.
func appendKeyed(dst []byte, key string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(key))), key...)
}

// cutKeyed is the reverse of appendKeyed.
func cutKeyed(b []byte) (key, rest []byte, err error) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, nil, errors.New("malformed list of keys")
	}
	return b[w : w+int(n)], b[w+int(n):], nil
}

// corrupt makes an error of damage in the truth (I10): what the store returns for its own files.
func (x *Index) corrupt(verb string, err error) error {
	return fmt.Errorf("%s: %w", verb, &statestore.CorruptError{File: x.store.Dir(), Err: err})
}
