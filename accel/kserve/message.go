package kserve

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of KServe v2 that are spoken here, with the numbers of their fields:
//
//	ModelInferRequest   1 model_name  2 model_version  5 inputs  6 outputs  7 raw_input_contents
//	ModelInferResponse  1 model_name  2 model_version  5 outputs  6 raw_output_contents
//	tensor              1 name  2 datatype  3 shape
//	ModelMetadata       1 name  2 version(s)  4 inputs  5 outputs
//
// They are few and fixed, so that they are written by hand.

// tensor is the head of a tensor; its numbers travel apart.
type tensor struct {
	name, datatype string
	shape          []int64
}

func (t tensor) append(b []byte) []byte {
	b = appendText(b, 1, t.name)
	if t.datatype == "" {
		return b
	}
	b = appendText(b, 2, t.datatype)
	var shape []byte
	for _, n := range t.shape {
		shape = protowire.AppendVarint(shape, uint64(n))
	}
	return appendBytes(b, 3, shape)
}

func appendText(b []byte, field protowire.Number, text string) []byte {
	if text == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}

func appendBytes(b []byte, field protowire.Number, data []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), data)
}

// errDamaged is a message that is none.
var errDamaged = errors.New("the message is damaged")

// each calls take with the fields of a message: data of those that have a length, number of the others.
func each(b []byte, take func(field protowire.Number, data []byte, number uint64) error) error {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errDamaged
		}
		b = b[n:]
		var data []byte
		var number uint64
		switch kind {
		case protowire.BytesType:
			data, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(b)
		default:
			n = protowire.ConsumeFieldValue(field, kind, b)
		}
		if n < 0 {
			return errDamaged
		}
		b = b[n:]
		if err := take(field, data, number); err != nil {
			return err
		}
	}
	return nil
}

func parseTensor(b []byte) (t tensor, err error) {
	err = each(b, func(field protowire.Number, data []byte, number uint64) error {
		switch {
		case field == 1:
			t.name = string(data)
		case field == 2:
			t.datatype = string(data)
		case field == 3 && data == nil:
			t.shape = append(t.shape, int64(number))
		case field == 3:
			for len(data) > 0 {
				x, n := protowire.ConsumeVarint(data)
				if n < 0 {
					return errDamaged
				}
				t.shape, data = append(t.shape, int64(x)), data[n:]
			}
		}
		return nil
	})
	return t, err
}

// inference is a reply to a request for vectors.
type inference struct {
	model, version string
	outputs        []tensor
	raw            [][]byte
}

func parseInference(b []byte) (r inference, err error) {
	err = each(b, func(field protowire.Number, data []byte, _ uint64) error {
		switch field {
		case 1:
			r.model = string(data)
		case 2:
			r.version = string(data)
		case 5:
			t, err := parseTensor(data)
			if err != nil {
				return err
			}
			r.outputs = append(r.outputs, t)
		case 6:
			r.raw = append(r.raw, data)
		}
		return nil
	})
	return r, err
}

// metadata is what a server says of a model.
type metadata struct {
	versions        []string
	inputs, outputs []tensor
}

func parseMetadata(b []byte) (m metadata, err error) {
	err = each(b, func(field protowire.Number, data []byte, _ uint64) error {
		switch field {
		case 2:
			m.versions = append(m.versions, string(data))
		case 4, 5:
			t, err := parseTensor(data)
			if err != nil {
				return err
			}
			if field == 4 {
				m.inputs = append(m.inputs, t)
			} else {
				m.outputs = append(m.outputs, t)
			}
		}
		return nil
	})
	return m, err
}

// vectors reads the numbers of an output of n vectors.
func (r *inference) vectors(name string, n int) ([][]float32, error) {
	for i, t := range r.outputs {
		if t.name != name && name != "" {
			continue
		}
		if len(t.shape) != 2 || t.shape[0] != int64(n) || t.shape[1] <= 0 || t.shape[1] > 1<<20 {
			return nil, fmt.Errorf("the output %s has the shape %d, and %d vectors are wanted", t.name, t.shape, n)
		}
		if i >= len(r.raw) {
			return nil, fmt.Errorf("the output %s does not come as raw contents", t.name)
		}
		return floats(t, r.raw[i], n, int(t.shape[1]))
	}
	return nil, fmt.Errorf("the reply has no output %q", name)
}

func floats(t tensor, raw []byte, n, dims int) ([][]float32, error) {
	size := map[string]int{"FP32": 4, "FP16": 2}[t.datatype]
	if size == 0 {
		return nil, fmt.Errorf("the output %s is %s, and not FP32 or FP16", t.name, t.datatype)
	}
	if len(raw) != n*dims*size {
		return nil, fmt.Errorf("the output %s has %d bytes, and %d vectors of %d numbers have %d", t.name, len(raw), n, dims, n*dims*size)
	}
	all := make([]float32, n*dims)
	for i := range all {
		if size == 4 {
			all[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		} else {
			all[i] = half(binary.LittleEndian.Uint16(raw[2*i:]))
		}
	}
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = all[i*dims : (i+1)*dims : (i+1)*dims]
	}
	return vectors, nil
}

// half is a number of sixteen bits.
func half(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exponent {
	case 0: // subnormal: the fraction counts in steps of 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)/(1<<24)))
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}
