package kafka

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/idle"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A batch is put when it has batchBytes, and is cut into transactions of about commitBytes, so that the
// engine may take it in parts.
const (
	batchBytes  = 1 << 20
	commitBytes = 64 << 10
)

// record adds what a record does.
func (r *run) record(ctx context.Context, rec *kgo.Record) error {
	if rec.Attrs.IsControl() {
		return nil
	}
	d := r.decoded
	err := r.decode(ctx, rec)
	var bad *rejection
	if err != nil && !errors.As(err, &bad) {
		return err
	}
	if r.batch == nil {
		r.batch, r.committed = r.out.Batch(), 0
	}
	at := place{topic: rec.Topic, partition: rec.Partition, offset: rec.Offset}
	r.scratch = at.append(r.scratch[:0], r.cursor.number+1)
	r.time = rec.Timestamp.UnixMicro()
	c := cdc.Change{Time: r.time, Snapshot: r.start.Rescan && !r.caught, Position: cdc.Position(view(r.scratch))} // Add copies it
	if bad != nil {
		return r.reject(&c, rec, at, bad)
	}
	switch c.Op = d.op; c.Op {
	case cdc.Update:
		c.Key = d.key
		r.batch.AddBuilt(c, &d.row)
	case cdc.Delete:
		c.Key = d.key
		r.batch.Add(c)
	case cdc.Truncate:
		r.batch.Add(c)
	}
	return nil
}

// decode reads a record. A registry that does not answer is waited for: an outage is never a dead letter.
func (r *run) decode(ctx context.Context, rec *kgo.Record) error {
	pause := pauseMin
	for {
		r.decoded.op, r.decoded.key = 0, r.decoded.key[:0]
		err := r.format.decode(ctx, rec, r.decoded)
		if err == nil || errors.As(err, new(*rejection)) || ctx.Err() != nil {
			if pause > pauseMin && ctx.Err() == nil {
				r.answered()
			}
			return err
		}
		if err := r.flush(ctx); err != nil { // what is read is not kept waiting
			return err
		}
		if err := r.hinder(err); err != nil {
			return err
		}
		if err := idle.For(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, pauseMax)
	}
}

// reject adds a record that cannot be read, with its bytes. Under the key of a row it takes the row away
// (I6); without one it is a dead letter of its own.
func (r *run) reject(c *cdc.Change, rec *kgo.Record, at place, bad *rejection) error {
	c.Op, c.Key = cdc.Reject, r.decoded.key
	c.Cause = &cdc.Cause{Code: bad.code, Message: at.String() + ": " + bad.Error(), Input: input(rec)}
	if len(c.Key) == 0 {
		key, err := cdc.AppendKeyValue(nil, cdc.String, cdc.Value{State: cdc.Null})
		if err != nil {
			return fmt.Errorf("name %s: %w", at, err)
		}
		c.Key = append(key, cdc.StringKey(at.String())...)
		if c.Cause.Keyless = true; rec.Key != nil { // there is one, and it cannot be read
			c.Cause.Place = at.String()
		}
	}
	r.batch.Add(*c)
	return nil
}

// inputBytes bounds what a dead letter keeps of a key, a value or a header.
const inputBytes = 1 << 20

// input writes a record for people: bytes in base64, null for null, the timestamp in milliseconds.
func input(rec *kgo.Record) []byte {
	b := append([]byte(`{"topic":`), cdc.AppendJSONString(nil, rec.Topic)...)
	b = strconv.AppendInt(append(b, `,"partition":`...), int64(rec.Partition), 10)
	b = strconv.AppendInt(append(b, `,"offset":`...), rec.Offset, 10)
	b = strconv.AppendInt(append(b, `,"timestamp":`...), rec.Timestamp.UnixMilli(), 10)
	b = appendBase64(append(b, `,"key":`...), rec.Key)
	b = appendBase64(append(b, `,"value":`...), rec.Value)
	b = append(b, `,"headers":[`...)
	for i, h := range rec.Headers {
		if i > 0 {
			b = append(b, ',')
		}
		b = cdc.AppendJSONString(append(b, `{"key":`...), h.Key)
		b = append(appendBase64(append(b, `,"value":`...), h.Value), '}')
	}
	return append(b, "]}"...)
}

func appendBase64(b, raw []byte) []byte {
	if raw == nil {
		return append(b, "null"...)
	}
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, raw[:min(len(raw), inputBytes)])
	return append(b, '"')
}

// full ends the transaction, and puts the batch, where they are large enough.
func (r *run) full(ctx context.Context) error {
	if r.batch == nil || r.batch.Bytes()-r.committed < commitBytes {
		return nil
	}
	r.commit()
	if r.batch.Bytes() < batchBytes {
		return nil
	}
	return r.flush(ctx)
}

// commit ends the transaction at the cursor.
func (r *run) commit() {
	r.cursor.number++
	r.batch.Commit(cdc.Position(r.cursor.append(nil)), r.time)
	r.committed, r.moved = r.batch.Bytes(), false
}

// flush hands over what has been read, were it only that the cursor has moved. It may wait for credit for
// long.
func (r *run) flush(ctx context.Context) error {
	if r.moved {
		if r.batch == nil {
			r.batch = r.out.Batch()
		}
		r.commit()
	}
	if r.batch == nil || len(r.batch.Txns()) == 0 {
		return nil
	}
	b := r.batch
	r.batch, r.committed = nil, 0 // it belongs to the inlet now
	return r.out.Put(ctx, b)
}
