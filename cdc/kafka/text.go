package kafka

import (
	"context"
	"unicode/utf8"

	"github.com/freshet/freshet/cdc"
	"github.com/twmb/franz-go/pkg/kgo"
)

// texts is the format of records whose value is a text, taken as it is: the columns key and value.
type texts struct{ keys *keys }

func textSchema() *cdc.Schema {
	text := cdc.Type{Kind: cdc.String}
	return &cdc.Schema{Columns: []cdc.Column{{Name: keyColumn, Type: text}, {Name: "value", Type: text}}, Key: []int{0}}
}

// decode implements format.
func (f *texts) decode(ctx context.Context, r *kgo.Record, d *decoded) error {
	if ended, err := f.keys.begin(ctx, r, d); ended || err != nil {
		return err
	}
	if !utf8.Valid(r.Value) {
		return undecodable("read value", errUTF8)
	}
	d.op = cdc.Update
	d.row.Reset()
	for _, i := range d.carried {
		if i == 0 {
			d.row.Bytes(f.keys.said)
		} else {
			d.row.Bytes(r.Value)
		}
	}
	return nil
}
