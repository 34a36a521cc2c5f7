package kafka

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/freshet/freshet/cdc"
)

// meaning is what Debezium says of a field beyond its JSON: the unit of a time, the scale of a decimal.
type meaning struct {
	name  string // of the schema, such as io.debezium.time.MicroTimestamp; empty: not told
	scale int    // of a decimal
}

// unavailable is what Debezium writes for a value that the database did not send.
const unavailable = "__debezium_unavailable_value"

// meanings reads fields as Debezium writes them. Where a message carries its schema that says what a value
// means; otherwise numbers that stand for times count unit.
type meanings struct {
	shape *shape
	unit  time.Duration
	flat  bool // messages have no envelope: their schema is that of the row

	schema []byte    // the text that known was read from
	known  []meaning // by column
}

// learn takes up the schema that a message carries; nil: it carries none.
func (m *meanings) learn(schema []byte) error {
	if m.known != nil && bytes.Equal(schema, m.schema) {
		return nil
	}
	known := make([]meaning, len(m.shape.columns))
	if len(schema) > 0 {
		var s connectSchema
		if err := json.Unmarshal(schema, &s); err != nil {
			return fmt.Errorf("read the schema of a message: %w", err)
		}
		for _, c := range s.row(m.flat) {
			if i, ok := m.shape.index[c.Field]; ok {
				scale, _ := strconv.Atoi(c.Parameters["scale"]) // absent: 0, as Connect has it
				known[i] = meaning{name: c.Name, scale: scale}
			}
		}
	}
	m.schema, m.known = bytes.Clone(schema), known
	return nil
}

// connectSchema is the part of a Connect schema that says what values mean.
type connectSchema struct {
	Field      string            `json:"field"`
	Name       string            `json:"name"`
	Parameters map[string]string `json:"parameters"`
	Fields     []connectSchema   `json:"fields"`
}

// row gives the fields of the row that a message with this schema brings.
func (s *connectSchema) row(flat bool) []connectSchema {
	if flat {
		return s.Fields
	}
	for _, f := range s.Fields {
		if f.Field == "after" {
			return f.Fields
		}
	}
	return nil
}

// addField implements adder.
func (m *meanings) addField(b *cdc.RowBuilder, x *values, column int, doc []byte, v token) error {
	t := &m.shape.columns[column].Type
	if isUnavailable(doc[v.start:v.end], v.kind) {
		b.Unchanged()
		return nil
	}
	known := m.known[column]
	switch {
	case v.kind == kindNumber && t.Kind == cdc.Timestamp:
		return m.addTime(b, t, known, doc, v)
	case v.kind == kindNumber && t.Kind == cdc.Date:
		days, ok := parseInt(doc[v.start:v.end])
		if !ok || days != int64(int32(days)) {
			return typeFault(t, doc, v)
		}
		b.Days(int32(days))
		return nil
	case v.kind == kindText && t.Kind == cdc.JSON:
		return x.addEmbedded(b, doc, v)
	case v.kind == kindText && t.Kind == cdc.Decimal && known.name == "org.apache.kafka.connect.data.Decimal":
		return x.addScaled(b, doc, v, known.scale)
	case v.kind == kindObject && t.Kind == cdc.Decimal:
		return x.addVariable(b, t, doc, v)
	}
	return x.add(b, t, doc, v)
}

func isUnavailable(raw []byte, k kind) bool {
	switch k {
	case kindText:
		text := raw[1 : len(raw)-1]
		return string(text) == unavailable || string(text) == "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="
	case kindArray:
		return bytes.Equal(bytes.Trim(raw, "[ \n\t\r]"), []byte(`"`+unavailable+`"`))
	}
	return false
}

// addTime adds a number that stands for a time.
func (m *meanings) addTime(b *cdc.RowBuilder, t *cdc.Type, known meaning, doc []byte, v token) error {
	n, ok := parseInt(doc[v.start:v.end])
	if !ok {
		return typeFault(t, doc, v)
	}
	unit := m.unit
	switch known.name {
	case "io.debezium.time.Timestamp", "org.apache.kafka.connect.data.Timestamp":
		unit = time.Millisecond
	case "io.debezium.time.MicroTimestamp":
		unit = time.Microsecond
	case "io.debezium.time.NanoTimestamp":
		unit = time.Nanosecond
	}
	var at time.Time
	switch unit {
	case time.Millisecond:
		at = time.UnixMilli(n)
	case time.Nanosecond:
		at = time.Unix(0, n)
	default:
		at = time.UnixMicro(n)
	}
	if !writable(at) {
		return fmt.Errorf("%d is no time", n)
	}
	b.Time(at)
	return nil
}

// addEmbedded adds JSON that is written as a text.
func (x *values) addEmbedded(b *cdc.RowBuilder, doc []byte, v token) error {
	var err error
	if x.text, err = appendText(x.text[:0], doc, v); err != nil {
		return err
	}
	s := scanner{b: x.text}
	inner, err := s.value(0)
	if err == nil {
		err = s.end()
	}
	if err != nil || !utf8.Valid(x.text) {
		return fmt.Errorf("the text holds no JSON: %w", err)
	}
	b.Bytes(x.text[inner.start:inner.end])
	return nil
}

// addScaled adds a decimal whose digits are bytes in base64.
func (x *values) addScaled(b *cdc.RowBuilder, doc []byte, v token, scale int) error {
	var err error
	if x.bytes, err = base64.StdEncoding.AppendDecode(x.bytes[:0], doc[v.start+1:v.end-1]); err != nil {
		return fmt.Errorf("%.40q is not base64", doc[v.start+1:v.end-1])
	}
	text, err := scaled(x.bytes, scale)
	if err != nil {
		return err
	}
	b.Bytes(text)
	return nil
}

// addVariable adds a decimal that brings its scale along.
func (x *values) addVariable(b *cdc.RowBuilder, t *cdc.Type, doc []byte, v token) error {
	var d struct {
		Scale *int   `json:"scale"`
		Value []byte `json:"value"`
	}
	if err := json.Unmarshal(doc[v.start:v.end], &d); err != nil || d.Scale == nil {
		return typeFault(t, doc, v)
	}
	text, err := scaled(d.Value, *d.Scale)
	if err != nil {
		return err
	}
	b.Bytes(text)
	return nil
}

// scaleMax bounds the digits behind the point; Postgres allows 16,383.
const scaleMax = 20_000

// scaled writes a number in two's complement, divided by ten to the scale, as a decimal.
func scaled(digits []byte, scale int) ([]byte, error) {
	if scale < -scaleMax || scale > scaleMax || len(digits) == 0 || len(digits) > scaleMax {
		return nil, fmt.Errorf("a decimal of %d bytes and scale %d is none", len(digits), scale)
	}
	n := new(big.Int).SetBytes(digits)
	if digits[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(digits)*8)))
	}
	if scale <= 0 {
		n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-scale)), nil))
		return n.Append(nil, 10), nil
	}
	var out []byte
	if n.Sign() < 0 {
		out = append(out, '-')
		n.Neg(n)
	}
	text := n.Append(nil, 10)
	if missing := scale + 1 - len(text); missing > 0 {
		text = append(bytes.Repeat([]byte{'0'}, missing), text...)
	}
	point := len(text) - scale
	out = append(append(out, text[:point]...), '.')
	return append(out, text[point:]...), nil
}
