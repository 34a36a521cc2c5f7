package stream_test

import (
	"testing"

	"github.com/freshet/freshet/stream"
)

func TestBytesReadAsPeopleWriteThem(t *testing.T) {
	for n, want := range map[stream.Bytes]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 5 << 30: "5.0 GiB", 900 << 40: "900.0 TiB", 5000 << 40: "5000.0 TiB"} {
		if got := n.String(); got != want {
			t.Errorf("%d is written %q, want %q", int64(n), got, want)
		}
	}
}
