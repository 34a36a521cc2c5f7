package operators

import (
	"context"
	"encoding/binary"
	"errors"
	"io"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// Remote makes an embedder behind a server a model that the engine asks through a queue. Its results
// are vectors as rows hold them. It is safe for concurrent use.
type Remote struct {
	*asker
}

var (
	_ stream.RemoteModel = (*Remote)(nil)
	_ stream.CallQueue   = (*Remote)(nil)
	_ stream.Remembering = (*Remote)(nil)
	_ stream.Resuming    = (*Remote)(nil)
)

// NewRemote names an embedder. Options.Done is the adapter's own.
func NewRemote(name string, e accel.Embedder, o ModelOptions) *Remote {
	r := NewRemoteVectors(name, accel.Embeddings(e), o)
	if c, ok := e.(io.Closer); ok {
		r.end = c.Close
	}
	return r
}

// NewRemoteVectors names an answerer whose answers are vectors, such as one that answers text by text. One that
// has a method Close() error is closed at the end of each Run, and by [Remote.Close].
func NewRemoteVectors(name string, a accel.Answerer, o ModelOptions) *Remote {
	return &Remote{asker: newAsker(name, a, o, true)}
}

// Dims is the length of the vectors; 0 where it is not known.
func (r *Remote) Dims() int { return r.answerer.Identity().Dims }

// Ask embeds a question at once, before what the queue holds: somebody waits for the answer, and it is no
// call of a step.
func (r *Remote) Ask(ctx context.Context, input []byte) ([]byte, error) {
	answer, err := r.once(ctx, input)
	if err != nil {
		return nil, err
	}
	return cdc.AppendVector(nil, answer.Vector), nil
}

// identity encodes what the answers of a model depend on: never an address or a credential.
func identity(i accel.Identity) []byte {
	var b []byte
	for _, part := range []string{i.Provider, i.Model, i.Revision} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return binary.AppendUvarint(b, uint64(i.Dims))
}

// rejection is a model's no in the words of dead letters.
func rejection(err error) error {
	e, ok := errors.AsType[*accel.Error](err)
	if !ok {
		return err
	}
	r := &stream.Rejection{Code: "rejected", Message: e.Error(), Reply: e.Reply}
	switch e.Kind {
	case accel.Refused, accel.Truncated, accel.Invalid, accel.Raised, accel.Broke:
		r.Code, r.Message = e.Kind.String(), e.Message
	}
	return r
}
