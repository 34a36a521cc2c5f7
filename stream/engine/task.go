package engine

import (
	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// task is one owner to be evaluated in an epoch, with all that has come up for it: the newest change of
// its row, results that have arrived, a retry, or a change of logic.
type task struct {
	root   *root
	key    cdc.Key
	stored []byte // the owner's record as it stands; nil: none

	changed bool // the source said something: the fields below hold
	op      cdc.Op
	row     cdc.Row
	note    []byte
	noted   bool
	cause   *cdc.Cause
	origin  cdc.Position
	time    int64

	live    bool // a person may be waiting for it
	force   bool // evaluate even if neither row nor logic changed
	retry   []retry
	refused []refusal
}

// retry asks for a rejected row to be tried again, or for its dead letter to be dropped.
type retry struct {
	instance uint32
	child    []byte
	discard  bool
}

// refusal is the final no of a model or a sink.
type refusal struct {
	call     stream.Fingerprint // of a model's; zero: a sink's
	instance uint32             // of the sink
	child    []byte             // of the sink's row: behind the owner's key
	row      cdc.Row            // of the sink
	code     string
	message  string
	attempts int
}

// hashRow identifies a row; the key is part of it, so that a clash of key hashes is no clash of rows.
func hashRow(key cdc.Key, row cdc.Row, note []byte) rowHash {
	h := xxh3.New()
	_, _ = h.Write(key)
	_, _ = h.Write(row)
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(note)
	return h.Sum128().Bytes()
}

// hashBytes identifies what a sink holds of a row.
func hashBytes(b []byte) rowHash { return xxh3.Hash128(b).Bytes() }
