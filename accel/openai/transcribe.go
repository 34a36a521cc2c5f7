package openai

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/rest"
)

var _ accel.Transcriber = (*Client)(nil)

// transcriptBytes is the most that a reply may take: hours of speech.
const transcriptBytes = 4 << 20

// Transcribe asks audio/transcriptions what is said in a recording; see [accel.Transcriber].
func (c *Client) Transcribe(ctx context.Context, r accel.Recording) (t accel.Transcript, err error) {
	form := rest.Form{FileName: "audio." + soundKind(r.File), File: r.File,
		Fields: [][2]string{{"model", c.Name()}, {"response_format", "json"}, {"temperature", "0"}}}
	for _, f := range [][2]string{{"language", r.Language}, {"prompt", r.Prompt}} {
		if f[1] != "" {
			form.Fields = append(form.Fields, f)
		}
	}
	err = c.Post(ctx, "audio/transcriptions", form, transcriptBytes, func(reply rest.Reply) error {
		t.Announced = reply.Announced
		var said struct {
			Text  *string `json:"text"`
			Usage struct {
				Input  int64 `json:"input_tokens"`
				Output int64 `json:"output_tokens"`
			} `json:"usage"`
		}
		if err := json.Unmarshal(reply.Body, &said); err != nil {
			return errors.New("the reply is no transcript")
		}
		t.Usage = accel.Usage{InputTokens: said.Usage.Input, OutputTokens: said.Usage.Output}
		if said.Text == nil {
			return errors.New("the reply has no text")
		}
		t.Text = strings.TrimSpace(*said.Text)
		return nil
	})
	return t, err
}

// soundKind is the usual ending of a file with sound: servers go by the name. What is not known is called mp3, which has
// no certain beginning.
func soundKind(file string) string {
	at := func(i int, mark string) bool { return len(file) >= i+len(mark) && file[i:i+len(mark)] == mark }
	switch {
	case at(0, "RIFF") && at(8, "WAVE"):
		return "wav"
	case at(0, "OggS"):
		return "ogg"
	case at(0, "fLaC"):
		return "flac"
	case at(4, "ftyp"):
		return "m4a"
	case at(0, "\x1a\x45\xdf\xa3"):
		return "webm"
	}
	return "mp3"
}
