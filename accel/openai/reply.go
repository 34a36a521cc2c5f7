package openai

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"github.com/freshet/freshet/accel"
)

// decode reads the reply to n texts. All vectors share one array. With an error the reply holds no
// vectors, but the usage where it can be found: the work was charged for.
func decode(body []byte, n, dims int) (accel.Reply, error) {
	d := decoder{scanner: scanner{data: body}, n: n, dims: dims, arrival: make([]int32, n)}
	if dims > 0 && n > 0 {
		// Room for a full reply, but never more than its body can hold.
		d.flat = make([]float32, 0, min(n*dims, len(body)))
	}
	d.reply()
	d.end()
	if d.err == nil && d.count != n {
		d.fail("the reply has %d vectors for %d texts", d.count, n)
	}
	if d.err != nil {
		return accel.Reply{Usage: usageIn(body)}, d.err
	}
	reply := accel.Reply{Model: d.model, Usage: d.usage, Vectors: make([][]float32, n)}
	for i, k := range d.arrival {
		from := (int(k) - 1) * d.dims
		reply.Vectors[i] = d.flat[from : from+d.dims : from+d.dims]
	}
	return reply, nil
}

// decoder gathers a reply.
type decoder struct {
	scanner
	n, dims int
	flat    []float32 // the vectors as they come
	arrival []int32   // for each text, which vector is its own, counted from 1; 0 while it has none
	count   int
	model   string
	usage   accel.Usage
	scratch []byte
}

func (d *decoder) reply() {
	d.expect('{')
	for i := 0; d.next('}', i); i++ {
		switch key := d.key(); {
		case string(key) == "data":
			d.expect('[')
			for k := 0; d.next(']', k); k++ {
				d.item()
			}
		case string(key) == "model" && d.peek() == '"':
			d.model = string(d.text())
		case string(key) == "usage" && d.peek() == '{':
			d.usage = d.charged()
		default:
			d.skip(0)
		}
	}
}

// item reads one vector with its index. An index that is left out is the place in the list: some
// servers leave out zeros.
func (d *decoder) item() {
	if d.count == d.n {
		d.fail("the reply has more than %d vectors", d.n)
	}
	index, found := d.count, false
	d.expect('{')
	for i := 0; d.next('}', i); i++ {
		switch key := d.key(); {
		case string(key) == "index" && d.peek() != 'n':
			n, err := strconv.Atoi(string(d.number()))
			if err != nil {
				d.fail("the reply has an index that is no whole number")
			}
			index = n
		case string(key) == "embedding" && !found:
			d.vector()
			found = true
		default:
			d.skip(0)
		}
	}
	switch {
	case d.err != nil:
	case !found:
		d.fail("the reply has an item without a vector")
	case index < 0 || index >= d.n:
		d.fail("the reply has the index %d for %d texts", index, d.n)
	case d.arrival[index] != 0:
		d.fail("the reply has the index %d twice", index)
	default:
		d.count++
		d.arrival[index] = int32(d.count)
	}
}

// vector reads a vector in either form and appends it.
func (d *decoder) vector() {
	before := len(d.flat)
	switch d.peek() {
	case '"':
		d.packed()
	case '[':
		d.numbers()
	default:
		d.fail("the reply has no vector at byte %d", d.at)
	}
	if d.err != nil {
		return
	}
	got := len(d.flat) - before
	if d.dims == 0 {
		d.dims = got
	}
	if got != d.dims || got == 0 {
		d.fail("%w", accel.MalformedDims(got, d.dims))
	}
}

// packed reads a vector as base64 of little-endian float32.
func (d *decoder) packed() {
	text := d.text()
	d.scratch = d.scratch[:0]
	raw, err := base64.StdEncoding.AppendDecode(d.scratch, text)
	if err != nil || len(raw)%4 != 0 || d.err != nil {
		d.fail("the reply has a vector that is not base64 of float32")
		return
	}
	d.scratch = raw
	before := len(d.flat)
	d.flat = slices.Grow(d.flat, len(raw)/4)[:before+len(raw)/4]
	vector := d.flat[before:]
	for i := range vector {
		bits := binary.LittleEndian.Uint32(raw[4*i:])
		if bits&0x7f800000 == 0x7f800000 {
			d.fail("the reply has a number that is not finite")
			return
		}
		vector[i] = math.Float32frombits(bits)
	}
}

// numbers reads a vector as an array of numbers.
func (d *decoder) numbers() {
	d.expect('[')
	for i := 0; d.next(']', i); i++ {
		d.flat = append(d.flat, d.float())
	}
}

// charged reads a usage object. total_tokens serves where prompt_tokens is missing.
func (s *scanner) charged() accel.Usage {
	var prompt, completion, total int64
	s.expect('{')
	for i := 0; s.next('}', i); i++ {
		key := s.key()
		var into *int64
		switch {
		case string(key) == "prompt_tokens":
			into = &prompt
		case string(key) == "completion_tokens":
			into = &completion
		case string(key) == "total_tokens":
			into = &total
		}
		if c := s.peek(); into == nil || c-'0' > 9 {
			s.skip(0)
			continue
		}
		// A number that is no count is as good as none.
		if n, err := strconv.ParseInt(string(s.number()), 10, 64); err == nil {
			*into = n
		}
	}
	if prompt == 0 {
		prompt = max(0, total-completion)
	}
	return accel.Usage{InputTokens: prompt, OutputTokens: completion}
}

// usageIn finds the usage in a reply that is otherwise unusable.
func usageIn(body []byte) accel.Usage {
	const name = `"usage"`
	at := bytes.LastIndex(body, []byte(name))
	if at < 0 {
		return accel.Usage{}
	}
	s := scanner{data: body, at: at + len(name)}
	s.expect(':')
	usage := s.charged()
	if s.err != nil {
		return accel.Usage{}
	}
	return usage
}
