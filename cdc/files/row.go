package files

import (
	"bytes"
	"encoding/hex"
	"unicode/utf8"

	"github.com/freshet/freshet/cdc"
)

// Columns of a row, in the order of the schema.
const (
	columnPath = iota
	columnContent
	columnText
	columnSize
	columnModified
	columnETag
	columnMediaType
	columnCount
)

func schema() *cdc.Schema {
	column := func(name string, kind cdc.Kind) cdc.Column {
		return cdc.Column{Name: name, Type: cdc.Type{Kind: kind}}
	}
	return &cdc.Schema{
		Columns: []cdc.Column{
			columnPath:      column("path", cdc.String),
			columnContent:   column("content", cdc.Bytes),
			columnText:      {Name: "text", Type: cdc.Type{Kind: cdc.String, Nullable: true}},
			columnSize:      column("size", cdc.Int64),
			columnModified:  column("modified", cdc.Timestamp),
			columnETag:      column("etag", cdc.String),
			columnMediaType: column("media_type", cdc.String),
		},
		Key: []int{columnPath},
	}
}

// carried are the columns that rows have; nil stands for all.
func carried(columns [][]int) []int {
	if len(columns) > 0 && columns[0] != nil {
		return columns[0]
	}
	all := make([]int, columnCount)
	for i := range all {
		all[i] = i
	}
	return all
}

// holdsContent reports whether rows of these columns carry the bytes of the file.
func holdsContent(columns []int) bool {
	for _, c := range columns {
		if c == columnContent || c == columnText {
			return true
		}
	}
	return false
}

// build writes the row of a file into the builder.
func build(b *cdc.RowBuilder, columns []int, rel string, f *reading) {
	b.Reset()
	for _, c := range columns {
		switch c {
		case columnPath:
			b.Text(rel)
		case columnContent:
			b.Bytes(f.data)
		case columnText:
			if isText(f.data) {
				b.Bytes(f.data)
			} else {
				b.Null()
			}
		case columnSize:
			b.Int64(f.note.size)
		case columnModified:
			b.Time(f.modified)
		case columnETag:
			b.Text(hex.EncodeToString(f.note.hash[:]))
		case columnMediaType:
			b.Text(mediaType(rel, f.head))
		}
	}
}

// isText reports whether the bytes are a text: UTF-8 without NUL.
func isText(data []byte) bool { return bytes.IndexByte(data, 0) < 0 && utf8.Valid(data) }
