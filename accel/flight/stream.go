package flight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	arrowflight "github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// stream is one exchange with a server, over which requests for the same function go one after the other.
type stream struct {
	cancel   context.CancelFunc
	wire     arrowflight.FlightService_DoExchangeClient
	writer   *arrowflight.Writer
	reader   *arrowflight.Reader // nil until the server has begun
	schema   *arrow.Schema
	function string
	output   string
	seq      uint64
	broken   bool // it is in the middle of something that nobody reads
}

// openStream begins an exchange. It outlives the request that it is opened for.
func openStream(ctx context.Context, client arrowflight.Client, r *request) (*stream, error) {
	alive, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	wire, err := client.DoExchange(alive)
	stop()
	if err != nil {
		cancel()
		return nil, err
	}
	s := &stream{cancel: cancel, wire: wire, schema: r.record.Schema(), function: r.function, output: r.output}
	s.writer = arrowflight.NewRecordWriter(wire, ipc.WithSchema(s.schema))
	s.writer.SetFlightDescriptor(&arrowflight.FlightDescriptor{Type: arrowflight.DescriptorPATH, Path: []string{"v1", r.kind, r.function}})
	return s, nil
}

// serves reports whether a request can go over the stream.
func (s *stream) serves(r *request) bool {
	return s.function == r.function && s.output == r.output && s.schema.Equal(r.record.Schema())
}

// exchange sends a request and takes the parts of its reply. given says that the server has begun with it.
func (s *stream) exchange(ctx context.Context, r *request, silence time.Duration, take taker) (given bool, err error) {
	s.broken = true // until the reply is complete
	s.seq++
	meta, err := json.Marshal(requestMeta{s.seq, r.function, r.output})
	if err != nil {
		return false, fmt.Errorf("write metadata: %w", err)
	}
	defer context.AfterFunc(ctx, s.cancel)()
	late := time.AfterFunc(silence, s.cancel)
	defer late.Stop()
	err = guarded(func() error { return s.converse(r, meta, func() { given = true; late.Reset(silence) }, take) })
	switch {
	case err == nil || ctx.Err() == nil && late.Stop():
		return given, err
	case ctx.Err() != nil:
		return given, context.Cause(ctx)
	}
	return given, unavailable("no answer within "+silence.String(), nil)
}

// converse is the exchange itself; heard is called at each message.
func (s *stream) converse(r *request, meta []byte, heard func(), take taker) (err error) {
	if err := s.writer.WriteWithAppMetadata(r.record, meta); err != nil {
		return s.cause(err)
	}
	if s.reader == nil {
		if s.reader, err = arrowflight.NewRecordReader(s.wire, ipc.WithAllocator(bounded{memory.DefaultAllocator})); err != nil {
			return s.cause(err)
		}
	}
	for {
		if !s.reader.Next() {
			return s.cause(s.reader.Err())
		}
		heard()
		var m replyMeta
		if err := json.Unmarshal(s.reader.LatestAppMetadata(), &m); err != nil {
			return malformed("read metadata: %v", err)
		}
		if m.Seq != s.seq {
			return malformed("a reply to request %d, and %d was asked", m.Seq, s.seq)
		}
		err := take(&m, s.reader.Record())
		if m.Done {
			s.broken = false
		}
		if err != nil || m.Done {
			return err
		}
	}
}

// cause is why the stream has ended: what the server says goes before what is seen of it here.
func (s *stream) cause(err error) error {
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if said := s.wire.RecvMsg(new(arrowflight.FlightData)); said != nil && !errors.Is(said, io.EOF) {
		return said
	}
	return unavailable("the worker ended the exchange", nil)
}

func (s *stream) close() {
	s.cancel()
	if s.reader != nil {
		s.reader.Release()
	}
	_ = s.writer.Close() // it frees memory; the exchange is over
}
