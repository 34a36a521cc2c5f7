package accel

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/freshet/freshet/backpressure"
)

// Transcriber writes down what is said in recordings. Implementations are safe for concurrent use.
type Transcriber interface {
	// Transcribe answers one recording. It returns when the reply is complete or ctx ends. An error is an [*Error], or
	// that of ctx; a Transcript beside an error holds no text, but the usage that was charged.
	Transcribe(ctx context.Context, r Recording) (Transcript, error)

	// Identity says which model answers. It does not change during the life of a Transcriber.
	Identity() Identity
}

// Recording is a file with sound.
type Recording struct {
	Language string // that is spoken, as ISO 639-1; empty: the model finds out
	Prompt   string // names and words that are likely to be said; empty: none
	File     string // its bytes
}

// Transcript is what is said in a recording. The text may be empty: nothing is.
type Transcript struct {
	Text      string
	Usage     Usage
	Announced []backpressure.Announcement // limits that the server told of
}

// Append appends the recording as the input of a call; see [Transcription].
func (r *Recording) Append(dst []byte) []byte {
	for _, part := range []string{r.Language, r.Prompt} {
		dst = binary.AppendUvarint(dst, uint64(len(part)))
		dst = append(dst, part...)
	}
	return append(dst, r.File...)
}

// recordingIn reads the input of a call.
func recordingIn(input string) (r Recording, err error) {
	if r.Language, input, err = pairIn(input); err == nil {
		r.Prompt, r.File, err = pairIn(input)
	}
	return r, err
}

// Transcription makes an Answerer of a transcriber. A call is a recording, and its answer the text.
func Transcription(t Transcriber) Answerer { return transcription{t} }

type transcription struct{ Transcriber }

// Answer implements [Answerer]. There is one recording in a request: a batcher over a transcriber has Rows 1.
func (t transcription) Answer(ctx context.Context, asked []Asked) (Answers, error) {
	if len(asked) != 1 {
		return Answers{}, errors.New("ask a transcriber: one recording goes in a request")
	}
	r, err := recordingIn(asked[0].Text)
	if err != nil {
		return Answers{}, err
	}
	said, err := t.Transcribe(ctx, r)
	all := Answers{Usage: said.Usage, Announced: said.Announced}
	if err == nil {
		all.Each = []Answer{{Text: append([]byte{}, said.Text...)}}
	}
	return all, err
}

// Models count about ten tokens a second of sound and four or five of what is said in it, and a second that can be
// understood takes 700 bytes at the least.
const (
	soundBytes  = 64
	speechBytes = 128
)

// Cost implements [Answerer].
func (t transcription) Cost(asked Asked) backpressure.Cost {
	n := int64(len(asked.Text))
	return backpressure.Cost{Rows: 1, Input: 1 + n/soundBytes, Output: 1 + n/speechBytes}
}
