package flight_test

import (
	"encoding/json"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	arrowflight "github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"google.golang.org/grpc"

	"github.com/freshet/freshet/accel/flight"
)

// peer is a worker in Go, which answers as its reply says: with batches, the last of which ends the reply.
type peer struct {
	arrowflight.BaseFlightServer
	dims  int
	reply func(texts *array.String) []arrow.Record
}

// listenPeer starts a peer at a socket and returns its address.
func listenPeer(t testing.TB, p *peer) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "peer.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := arrowflight.NewServerWithMiddleware(nil, grpc.MaxRecvMsgSize(1<<30), grpc.InitialWindowSize(8<<20), grpc.InitialConnWindowSize(16<<20))
	s.RegisterFlightService(p)
	s.InitListener(l)
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve() })
	t.Cleanup(func() {
		s.Shutdown() // the client has closed its streams by now
		serving.Wait()
	})
	return "unix:" + path
}

func (p *peer) DoAction(_ *arrowflight.Action, stream arrowflight.FlightService_DoActionServer) error {
	text, err := json.Marshal(flight.Description{Protocol: 1, Credits: 2, Functions: []flight.Info{{Name: "embed", Kind: "embed", Revision: "1", Dims: p.dims}}})
	if err != nil {
		return err
	}
	return stream.Send(&arrowflight.Result{Body: text})
}

func (p *peer) DoExchange(stream arrowflight.FlightService_DoExchangeServer) error {
	r, err := arrowflight.NewRecordReader(stream)
	if err != nil {
		return err
	}
	defer r.Release()
	var w *arrowflight.Writer
	for r.Next() {
		var asked struct{ Seq uint64 }
		if err := json.Unmarshal(r.LatestAppMetadata(), &asked); err != nil {
			return err
		}
		replies := p.reply(r.Record().Column(1).(*array.String))
		for i, record := range replies {
			if w == nil {
				w = arrowflight.NewRecordWriter(stream, ipc.WithSchema(record.Schema()))
				defer w.Close()
			}
			meta, err := json.Marshal(map[string]any{"seq": asked.Seq, "done": i == len(replies)-1, "revision": "1"})
			if err != nil {
				return err
			}
			if err := w.WriteWithAppMetadata(record, meta); err != nil {
				return err
			}
			record.Release()
		}
	}
	return r.Err()
}

// part is a batch of vectors, all numbers of a row alike, with the places and statuses given.
func part(dims int, places []int64, numbers []float32) arrow.Record {
	mem := memory.DefaultAllocator
	kind := arrow.FixedSizeListOfNonNullable(int32(dims), arrow.PrimitiveTypes.Float32)
	schema := arrow.NewSchema([]arrow.Field{{Name: "_row", Type: arrow.PrimitiveTypes.Int64}, {Name: "_status", Type: arrow.PrimitiveTypes.Uint8},
		{Name: "vector", Type: kind}}, nil)
	b := array.NewRecordBuilder(mem, schema)
	defer b.Release()
	vectors := b.Field(2).(*array.FixedSizeListBuilder)
	values := vectors.ValueBuilder().(*array.Float32Builder)
	values.Reserve(len(places) * dims)
	for i, place := range places {
		b.Field(0).(*array.Int64Builder).Append(place)
		b.Field(1).(*array.Uint8Builder).Append(0)
		vectors.Append(true)
		for range dims {
			values.UnsafeAppend(numbers[i])
		}
	}
	return b.NewRecord()
}

// Test 10 of the faults: rows too few, twice, permuted, from nowhere, vectors of another length or with NaN. None
// is taken for the answer of another row; permuted rows are put in order by their places.
func TestAReplyIsNotTakenOnTrust(t *testing.T) {
	nan := float32(0)
	nan /= nan
	for _, x := range []struct {
		name  string
		parts [][]int64
		dims  int
		value []float32
		says  string // "": it is taken
	}{
		{"as it should be", [][]int64{{0, 1, 2}}, 3, []float32{10, 11, 12}, ""},
		{"permuted", [][]int64{{2, 0, 1}}, 3, []float32{12, 10, 11}, ""},
		{"in parts", [][]int64{{2}, {0, 1}}, 3, []float32{12, 10, 11}, ""},
		{"too few", [][]int64{{0, 1}}, 3, []float32{10, 11}, "answers 2 of 3 rows"},
		{"one twice", [][]int64{{0, 1, 1}}, 3, []float32{10, 11, 12}, "answers row 1 twice"},
		{"one twice, in parts", [][]int64{{0, 1}, {1, 2}}, 3, []float32{10, 11, 11, 12}, "answers row 1 twice"},
		{"too many", [][]int64{{0, 1, 2, 3}}, 3, []float32{10, 11, 12, 13}, "answers row 3 of 3"},
		{"from nowhere", [][]int64{{0, 1, -1}}, 3, []float32{10, 11, 12}, "answers row -1 of 3"},
		{"another length", [][]int64{{0, 1, 2}}, 4, []float32{10, 11, 12}, "a vector of 4 dimensions, not 3"},
		{"no number", [][]int64{{0, 1, 2}}, 3, []float32{10, nan, 12}, "not finite"},
		{"no number, in the last part", [][]int64{{0, 1}, {2}}, 3, []float32{10, 11, nan}, "not finite"},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := &peer{dims: 3, reply: func(*array.String) []arrow.Record {
				var parts []arrow.Record
				at := 0
				for _, places := range x.parts {
					parts = append(parts, part(x.dims, places, x.value[at:]))
					at += len(places)
				}
				return parts
			}}
			address := listenPeer(t, p)
			e := embedder(t, client(t, flight.Options{Addresses: []string{address}}), "embed")
			answers, err := e.Answer(t.Context(), asks("a", "b", "c"))
			if x.says != "" {
				if err == nil || !strings.Contains(err.Error(), x.says) || !strings.Contains(err.Error(), "malformed") || answers.Each != nil {
					t.Errorf("got %v (%v), want %q and nothing of it", answers.Each, err, x.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range []float32{10, 11, 12} {
				if got := answers.Each[i].Vector; len(got) != 3 || got[0] != want || got[2] != want {
					t.Errorf("text %d is answered %v, want %v", i, got, want)
				}
			}
		})
	}
}
