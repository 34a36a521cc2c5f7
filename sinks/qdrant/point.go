package qdrant

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// The payload that Freshet keeps for itself, below one name.
const (
	inner           = "_freshet"
	fieldKind       = inner + ".kind"       // what the point is: a row, a tombstone, the record
	fieldGeneration = inner + ".generation" // of the version that wrote it
	fieldEpoch      = inner + ".epoch"
	fieldCollection = inner + ".collection" // place in `from`, from 0
	fieldHolder     = inner + ".holder"     // of the record: which opening holds it
	fieldSince      = inner + ".since"      // of a tombstone: when it was written, in seconds since 1970
)

// The kinds of points.
const (
	kindRow  = "row"
	kindGone = "gone"
	kindMark = "record"
)

// version is the version of a point, in two numbers: conditions on numbers are exact up to 2^53 only, which one number
// of both would leave after some thousand openings.
type version struct{ generation, epoch uint64 }

func versionOf(v uint64) version { return version{generation: v >> 40, epoch: v & epochMask} }

func (v version) number() uint64 { return v.generation<<40 | v.epoch }

// epochMask cuts the epoch out of a version.
const epochMask = 1<<40 - 1

// upTo is the condition that a point's version is not greater than v (I3).
func upTo(v version) *qdrant.Filter {
	return &qdrant.Filter{Should: []*qdrant.Condition{
		qdrant.NewRange(fieldGeneration, &qdrant.Range{Lt: qdrant.PtrOf(float64(v.generation))}),
		qdrant.NewFilterAsCondition(&qdrant.Filter{Must: []*qdrant.Condition{
			qdrant.NewMatchInt(fieldGeneration, int64(v.generation)),
			qdrant.NewRange(fieldEpoch, &qdrant.Range{Lte: qdrant.PtrOf(float64(v.epoch))}),
		}}),
	}}
}

// point makes the point of an upsert.
func (w *writer) point(e *stream.Effect, id *qdrant.PointId) (*qdrant.PointStruct, error) {
	c := &w.target.Collections[e.Collection]
	vector := w.vectors[e.Collection]
	numbers := e.Row.At(vector).AppendVector(nil)
	if len(numbers) != w.dims {
		return nil, &stream.RejectError{Key: bytes.Clone(e.Key), Code: "dims_mismatch", Err: fmt.Errorf("the vector has %d numbers, those of the collection %d", len(numbers), w.dims)}
	}
	for _, x := range numbers {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return nil, &stream.RejectError{Key: bytes.Clone(e.Key), Code: "sink_rejected", Err: errors.New("the vector holds a NaN or an infinity")}
		}
	}
	payload := make(map[string]*qdrant.Value, len(c.Schema.Columns)+4)
	for i, column := range c.Schema.Columns[:len(c.Schema.Columns)-c.Hidden] {
		if i == vector {
			continue // searched and read as a vector
		}
		v, err := value(column.Type, e.Row.At(i))
		if err != nil {
			return nil, &stream.RejectError{Key: bytes.Clone(e.Key), Code: "sink_rejected", Err: fmt.Errorf("write column %s: %w", column.Name, err)}
		}
		payload[column.Name] = v
	}
	payload["_key"] = text(e.Key.Text())
	payload["_version"] = qdrant.NewValueInt(int64(e.Version))
	payload["_source"] = text(e.Source)
	v := versionOf(e.Version)
	payload[inner] = qdrant.NewValueFromFields(map[string]*qdrant.Value{
		"kind": text(kindRow), "generation": qdrant.NewValueInt(int64(v.generation)), "epoch": qdrant.NewValueInt(int64(v.epoch)),
		"collection": qdrant.NewValueInt(int64(e.Collection)),
	})
	vectors := map[string]*qdrant.Vector{w.vector: qdrant.NewVectorDense(numbers)}
	return &qdrant.PointStruct{Id: id, Payload: payload, Vectors: qdrant.NewVectorsMap(vectors)}, nil
}

// tombstone makes the point of a delete: no search finds a point without a vector.
func tombstone(e *stream.Effect, id *qdrant.PointId, now time.Time) *qdrant.PointStruct {
	v := versionOf(e.Version)
	return &qdrant.PointStruct{Id: id, Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{}), Payload: map[string]*qdrant.Value{
		inner: qdrant.NewValueFromFields(map[string]*qdrant.Value{
			"kind": text(kindGone), "generation": qdrant.NewValueInt(int64(v.generation)), "epoch": qdrant.NewValueInt(int64(v.epoch)),
			"since": qdrant.NewValueInt(now.Unix()),
		}),
	}}
}

// text is a string as the wire takes it, which is UTF-8.
func text(s string) *qdrant.Value { return qdrant.NewValueString(strings.ToValidUTF8(s, "\ufffd")) }

// value writes a value as payload: as JSON would, but for what payload has a kind of its own for.
func value(t cdc.Type, v cdc.Value) (*qdrant.Value, error) {
	if v.State != cdc.Set {
		return qdrant.NewValueNull(), nil
	}
	switch t.Kind {
	case cdc.Bool:
		return qdrant.NewValueBool(v.Bool()), nil
	case cdc.Int64:
		return qdrant.NewValueInt(v.Int64()), nil
	case cdc.Float64:
		if x := v.Float64(); !math.IsNaN(x) && !math.IsInf(x, 0) {
			return qdrant.NewValueDouble(x), nil
		}
	case cdc.String, cdc.Decimal:
		return text(v.Text()), nil // a copy: the row is used again for the next one
	case cdc.Bytes:
		return text(base64.StdEncoding.EncodeToString(v.Raw)), nil
	case cdc.Struct:
		fields := make(map[string]*qdrant.Value, len(t.Fields))
		row := v.Row()
		for i, f := range t.Fields {
			x, err := value(f.Type, row.At(i))
			if err != nil {
				return nil, err
			}
			fields[f.Name] = x
		}
		return qdrant.NewValueFromFields(fields), nil
	case cdc.List:
		row := v.Row()
		items := make([]*qdrant.Value, row.Len())
		for i := range items {
			x, err := value(*t.Elem, row.At(i))
			if err != nil {
				return nil, err
			}
			items[i] = x
		}
		return qdrant.NewValueFromList(items...), nil
	}
	// What is left has a form in JSON: a word, or for JSON itself anything.
	decoder := json.NewDecoder(bytes.NewReader(cdc.AppendJSON(nil, &t, v)))
	decoder.UseNumber()
	var x any
	if err := decoder.Decode(&x); err != nil {
		return nil, fmt.Errorf("read %s: %w", t, err)
	}
	return valueOf(x)
}

// valueOf writes what JSON was decoded to.
func valueOf(x any) (*qdrant.Value, error) {
	switch x := x.(type) {
	case nil:
		return qdrant.NewValueNull(), nil
	case bool:
		return qdrant.NewValueBool(x), nil
	case string:
		return text(x), nil
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return qdrant.NewValueInt(n), nil
		}
		n, err := x.Float64()
		if err != nil {
			return nil, fmt.Errorf("read number %.40s: %w", x, err)
		}
		return qdrant.NewValueDouble(n), nil
	case []any:
		items := make([]*qdrant.Value, len(x))
		for i := range x {
			v, err := valueOf(x[i])
			if err != nil {
				return nil, err
			}
			items[i] = v
		}
		return qdrant.NewValueFromList(items...), nil
	case map[string]any:
		fields := make(map[string]*qdrant.Value, len(x))
		for name := range x {
			v, err := valueOf(x[name])
			if err != nil {
				return nil, err
			}
			fields[strings.ToValidUTF8(name, "\ufffd")] = v
		}
		return qdrant.NewValueFromFields(fields), nil
	}
	return nil, fmt.Errorf("write a %T", x)
}
