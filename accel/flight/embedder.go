package flight

import (
	"context"
	"fmt"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
)

// DimsError is a worker whose vectors have another length than is wanted.
type DimsError struct{ Served, Wanted int }

func (e *DimsError) Error() string {
	return fmt.Sprintf("its vectors have %d numbers, and %d are wanted", e.Served, e.Wanted)
}

// Embedder is a model of vectors that a worker serves.
type Embedder struct {
	client *Client
	name   string

	mu   sync.Mutex
	info Info
}

// NewEmbedder names an embedder of a worker; dims is the length of its vectors, 0 where Learn is to ask.
func NewEmbedder(c *Client, name string, dims int) *Embedder {
	return &Embedder{client: c, name: name, info: Info{Dims: dims}}
}

// Learn asks the worker for the revision of the model and the length of its vectors. The error is a
// *MissingError where it serves none of that name, or a *DimsError.
func (e *Embedder) Learn(ctx context.Context) (Info, error) {
	d, err := e.client.Describe(ctx)
	if err != nil {
		return Info{}, err
	}
	info, err := d.find(kindEmbed, e.name)
	if err != nil {
		return Info{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.info.Dims > 0 && info.Dims > 0 && e.info.Dims != info.Dims {
		return Info{}, &DimsError{Served: info.Dims, Wanted: e.info.Dims}
	}
	if info.Dims == 0 {
		info.Dims = e.info.Dims
	}
	e.info = info
	return info, nil
}

// Identity implements accel.Answerer. The place of the worker is no part of it.
func (e *Embedder) Identity() accel.Identity {
	e.mu.Lock()
	defer e.mu.Unlock()
	return accel.Identity{Provider: "flight", Model: e.name, Revision: e.info.Revision, Dims: e.info.Dims}
}

// Cost implements accel.Answerer.
func (e *Embedder) Cost(asked accel.Asked) backpressure.Cost {
	return backpressure.Cost{Rows: 1, Input: int64(accel.EstimateTokens(asked.Text))}
}

// Close ends the worker that was started, or the connections.
func (e *Embedder) Close() error { return e.client.Close() }

// Answer implements accel.Answerer. The vectors of a part share one array.
func (e *Embedder) Answer(ctx context.Context, asked []accel.Asked) (accel.Answers, error) {
	identity := e.Identity()
	a := newAnswering(identity.Revision, len(asked))
	dims := identity.Dims
	a.read = func(a *answering, record arrow.Record, h *head) error { return readVectors(a, record, h, &dims) }
	record := textRecord(asked)
	defer record.Release()
	err := e.client.carrier.exchange(ctx, &request{kind: kindEmbed, function: e.name, record: record}, a.take)
	return a.answers(err)
}

// textRecord is a batch of texts.
func textRecord(asked []accel.Asked) arrow.Record {
	row := places(len(asked))
	defer row.Release()
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	b.Reserve(len(asked))
	bytes := 0
	for i := range asked {
		bytes += len(asked[i].Text)
	}
	b.ReserveData(bytes)
	for i := range asked {
		b.Append(asked[i].Text)
	}
	text := b.NewArray()
	defer text.Release()
	schema := arrow.NewSchema([]arrow.Field{{Name: columnRow, Type: arrow.PrimitiveTypes.Int64}, {Name: "text", Type: arrow.BinaryTypes.String}}, nil)
	return array.NewRecord(schema, []arrow.Array{row, text}, int64(len(asked)))
}

// readVectors reads the vectors of the rows that were answered, in place: the memory of a batch is Go's. Where
// dims is 0 the first one tells it.
func readVectors(a *answering, record arrow.Record, h *head, dims *int) error {
	column, ok := columnOf(record, "vector").(*array.FixedSizeList)
	if !ok {
		return malformed("the reply has no column vector of fixed_size_list")
	}
	n := int(column.DataType().(*arrow.FixedSizeListType).Len())
	if *dims == 0 {
		*dims = n
	}
	if n != *dims || n == 0 {
		return malformed("the reply has a vector of %d dimensions, not %d", n, *dims)
	}
	numbers, err := numbersOf(column, n)
	if err != nil {
		return err
	}
	for i, place := range h.row.Int64Values() {
		if verdict(h.status.Value(i)) != rowGood {
			continue
		}
		vector := numbers[i*n : (i+1)*n : (i+1)*n]
		if column.IsNull(i) || !finite(vector) {
			return malformed("the reply has a number that is not finite")
		}
		a.each[place].Vector = vector
	}
	return nil
}

// numbersOf are the numbers of a column of vectors, from its first row on.
func numbersOf(column *array.FixedSizeList, n int) ([]float32, error) {
	from, to := column.Data().Offset()*n, (column.Data().Offset()+column.Len())*n
	values := column.ListValues()
	if values.Len() < to {
		return nil, malformed("the reply is damaged: %d numbers for %d vectors of %d", values.Len(), column.Len(), n)
	}
	switch v := values.(type) {
	case *array.Float32:
		return v.Float32Values()[from:to], nil
	case *array.Float16:
		out := make([]float32, to-from)
		for i := range out {
			out[i] = v.Value(from + i).Float32()
		}
		return out, nil
	}
	return nil, malformed("the reply's vectors are of %s, not of float32 or float16", values.DataType())
}
