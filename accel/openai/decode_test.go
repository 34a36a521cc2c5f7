package openai

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// FuzzDecode compares with encoding/json: what is accepted is valid JSON with these very numbers, each
// vector under its index, all finite and of one length.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"data":[{"index":1,"embedding":[1,-2.5e-3]},{"index":0,"embedding":"AACAPwAAAEA="}],"model":"m","usage":{"prompt_tokens":3}}`), 2, 2)
	f.Add([]byte(`{"data":[{"embedding":[0.1,1e38]}],"x":{"y":["\u00e9\\",null,true,false,0]}}`), 1, 0)
	f.Add([]byte(`{"data":[{"index":0,"embedding":"AACAPwAAAEA\u003d","embedding":[1]}],"usage":{"total_tokens":3,"prompt_tokens":1e3}}`), 1, 2)
	f.Add([]byte(` {"data" : [ {"embedding":[NaN]} ] , "usage":{"prompt_tokens":5}} `), 1, 1)
	f.Fuzz(func(t *testing.T, body []byte, n, dims int) {
		n, dims = n&7, dims&15
		reply, err := decode(body, n, dims)
		if err != nil {
			if reply.Vectors != nil {
				t.Fatal("an unusable reply kept its vectors")
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("accepted what is not JSON: %q", body)
		}
		if len(reply.Vectors) != n {
			t.Fatalf("%d vectors for %d texts", len(reply.Vectors), n)
		}
		for _, v := range reply.Vectors {
			if len(v) != len(reply.Vectors[0]) || dims > 0 && len(v) != dims {
				t.Fatalf("a vector has %d dimensions", len(v))
			}
			for _, x := range v {
				if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
					t.Fatalf("accepted %v", x)
				}
			}
		}
		sameAsStandard(t, body, reply.Vectors)
	})
}

// sameAsStandard compares vectors with what encoding/json reads, where that can be compared: it takes the
// last of several members of one name, and any case of a name.
func sameAsStandard(t *testing.T, body []byte, vectors [][]float32) {
	t.Helper()
	if strings.Count(string(body), "data") != 1 || strings.Contains(strings.ToLower(string(body)), `\u`) {
		return
	}
	var standard struct {
		Data []map[string]json.RawMessage `json:"data"`
	}
	if json.Unmarshal(body, &standard) != nil || strings.Count(string(body), `"embedding"`) != len(vectors) {
		return
	}
	for place, item := range standard.Data {
		index := place
		if raw, ok := item["index"]; ok && string(raw) != "null" {
			json.Unmarshal(raw, &index)
		}
		var want []float32
		var packed string
		if json.Unmarshal(item["embedding"], &packed) == nil {
			raw, _ := base64.StdEncoding.DecodeString(packed)
			for ; len(raw) >= 4; raw = raw[4:] {
				want = append(want, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
			}
		} else if err := json.Unmarshal(item["embedding"], &want); err != nil {
			t.Fatalf("accepted a vector that encoding/json refuses: %v", err)
		}
		for i, x := range want {
			if vectors[index][i] != x {
				t.Fatalf("vector %d has %v at %d, want %v", index, vectors[index][i], i, x)
			}
		}
	}
}

// FuzzNumber compares with ParseFloat, bit for bit.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-0.0", "0.1", "1e-45", "3.4028235e38", "16777217", "16777216.999999999", "-0.012345678901234567",
		"9007199791611905", "1.00000005960464477539062500", "0.00000000000000000000001", "123456789012345678901234567890e-30", "01", "1.", "-", "1e", "1e400"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := scanner{data: []byte(text)}
		got := s.float()
		s.end()
		want, err := strconv.ParseFloat(strings.Trim(text, " \t\r\n"), 32)
		if (s.err == nil) != (err == nil && json.Valid([]byte(text))) {
			t.Fatalf("%q: error %v; ParseFloat: %v", text, s.err, err)
		}
		if s.err == nil && math.Float32bits(got) != math.Float32bits(float32(want)) {
			t.Fatalf("%q is %v, want %v", text, got, float32(want))
		}
	})
}

func TestNumbersAreRoundedAsByParseFloat(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 60_000 {
		x := math.Float32frombits(r.Uint32())
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			continue
		}
		// Beside a float32, and beside the half between two, is where rounding goes wrong.
		half := (float64(x) + float64(math.Nextafter32(x, 1))) / 2
		for _, y := range []float64{float64(x), half, math.Nextafter(half, 0), math.Nextafter(half, 1), r.NormFloat64() / 40} {
			text := strconv.FormatFloat(y, "eg"[r.IntN(2)], 5+r.IntN(16), 64)
			s := scanner{data: []byte(text)}
			got := s.float()
			want, err := strconv.ParseFloat(text, 32)
			if (s.err == nil) != (err == nil) || err == nil && math.Float32bits(got) != math.Float32bits(float32(want)) {
				t.Fatalf("%s is %v (%v), want %v (%v)", text, got, s.err, float32(want), err)
			}
		}
	}
}

// replyOf is a reply as Python servers write it: float32 as the shortest decimal of its float64.
func replyOf(n, dims int, packed bool) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString(`{"object": "list", "model": "m", "data": [`)
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, `{"object": "embedding", "index": %d, "embedding": `, i)
		var raw []byte
		var parts []string
		for range dims {
			x := float32(r.NormFloat64() / 40)
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
			parts = append(parts, fmt.Sprint(float64(x)))
		}
		if packed {
			b.WriteString(`"` + base64.StdEncoding.EncodeToString(raw) + `"}`)
		} else {
			b.WriteString("[" + strings.Join(parts, ", ") + "]}")
		}
	}
	b.WriteString(`], "usage": {"prompt_tokens": 6400, "total_tokens": 6400}}`)
	return []byte(b.String())
}

func BenchmarkDecode(b *testing.B) {
	const n, dims = 64, 1536
	for name, packed := range map[string]bool{"base64": true, "float": false} {
		body := replyOf(n, dims, packed)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := decode(body, n, dims); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/encoding_json", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if err := decodeStandard(body, packed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// decodeStandard is the same work by encoding/json, to measure against.
func decodeStandard(body []byte, packed bool) error {
	if !packed {
		var reply struct {
			Data []struct{ Embedding []float32 }
		}
		return json.Unmarshal(body, &reply)
	}
	var reply struct{ Data []struct{ Embedding string } }
	if err := json.Unmarshal(body, &reply); err != nil {
		return err
	}
	for _, item := range reply.Data {
		raw, err := base64.StdEncoding.DecodeString(item.Embedding)
		if err != nil {
			return err
		}
		vector := make([]float32, len(raw)/4)
		for i := range vector {
			vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	}
	return nil
}
