package vector

import (
	"testing"

	"github.com/freshet/freshet/sinks/vector/kernel"
	"github.com/freshet/freshet/sinks/vector/vectortest"
	"github.com/freshet/freshet/stream"
)

func BenchmarkEncode(b *testing.B) {
	e := newEncoder(384, stream.Cosine, kernel.Best())
	v := vectortest.New(1, 384, vectortest.Easy).Next()
	codes, scratch := make([]byte, e.codeBytes()), make([]float32, 0, 384)
	for b.Loop() {
		clear(codes)
		if _, err := e.encode(v, codes, scratch); err != nil {
			b.Fatal(err)
		}
	}
}
