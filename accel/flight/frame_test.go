package flight

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/freshet/freshet/accel"
)

// frameOf is a frame with a reply of two texts.
func frameOf(tb testing.TB, record arrow.Record) []byte {
	tb.Helper()
	frame, err := appendFrame(nil, requestMeta{Seq: 7, Function: "f"}, record)
	if err != nil {
		tb.Fatal(err)
	}
	return frame
}

func textsOf(words ...string) arrow.Record {
	var asked []accel.Asked
	for _, w := range words {
		asked = append(asked, accel.Asked{Text: w})
	}
	return textRecord(asked)
}

func TestAFrameIsReadAsItWasWritten(t *testing.T) {
	record := textsOf("a", "")
	defer record.Release()
	stream := append(frameOf(t, record), frameOf(t, nil)...)
	r := bytes.NewReader(stream)
	for _, rows := range []int64{2, -1} {
		meta, body, err := readFrame(r)
		var m requestMeta
		if err != nil || json.Unmarshal(meta, &m) != nil || m.Seq != 7 || m.Function != "f" {
			t.Fatalf("metadata %s (%v)", meta, err)
		}
		got, err := readBatch(body)
		if err != nil || (got == nil) != (rows < 0) || got != nil && got.NumRows() != rows {
			t.Errorf("batch %v (%v), want %d rows", got, err, rows)
		}
	}
	if _, _, err := readFrame(r); !errors.Is(err, io.EOF) {
		t.Errorf("behind the last frame: %v", err)
	}
	for n := 1; n < len(stream)/2; n++ {
		if _, _, err := readFrame(bytes.NewReader(stream[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("a frame cut at %d of %d: %v", n, len(stream)/2, err)
		}
	}
}

func TestTheFirstFrameIsFoundBehindWhatAProgramPrints(t *testing.T) {
	frame := frameOf(t, nil)
	for _, noise := range []string{"", "hello\n", "FRWFRW\nFRFRW", strings.Repeat("x", 70_000)} {
		r := bufio.NewReader(strings.NewReader(noise + string(frame)))
		meta, got, err := readFirst(r, r)
		if err != nil || got != noise || !bytes.Contains(meta, []byte(`"seq":7`)) {
			t.Errorf("behind %.20q: %s, %.20q (%v)", noise, meta, got, err)
		}
	}
	endless := bufio.NewReader(io.LimitReader(zeros{}, 1<<30))
	if _, _, err := readFirst(endless, endless); err == nil {
		t.Error("a program that writes without end is taken for a worker")
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// Whatever a worker writes is read without a panic, and without room for more than has come.
func FuzzAFrame(f *testing.F) {
	record := textsOf("a", "bc")
	defer record.Release()
	good := frameOf(f, record)
	f.Add(good)
	f.Add(frameOf(f, nil))
	f.Add(append([]byte("FRW1\xff\xff\xff\xff"), good...))
	f.Add([]byte("FRW1\x00\x00\x00\x00\xff\xff\xff\x3f\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, body, err := readFrame(bytes.NewReader(data))
		if err != nil {
			return
		}
		got, err := readBatch(body)
		if err != nil || got == nil {
			return
		}
		defer got.Release()
		a := newAnswering("", 4)
		dims := 0
		a.read = func(a *answering, record arrow.Record, h *head) error { return readVectors(a, record, h, &dims) }
		_ = guarded(func() error { return a.take(&replyMeta{Done: true}, got) })
	})
}
