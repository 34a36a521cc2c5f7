package blob

import (
	"bytes"
	"time"
	"unicode/utf8"

	"github.com/freshet/freshet/cdc"
)

// Columns of a row, in the order of the schema.
const (
	Path = iota
	Content
	Text
	Size
	Modified
	ETag
	MediaType
	columnCount
)

// Schema is that of the rows: the path is the key, the text is null where the content is none.
func Schema() *cdc.Schema {
	column := func(name string, kind cdc.Kind) cdc.Column {
		return cdc.Column{Name: name, Type: cdc.Type{Kind: kind}}
	}
	return &cdc.Schema{
		Columns: []cdc.Column{
			Path:      column("path", cdc.String),
			Content:   column("content", cdc.Bytes),
			Text:      {Name: "text", Type: cdc.Type{Kind: cdc.String, Nullable: true}},
			Size:      column("size", cdc.Int64),
			Modified:  column("modified", cdc.Timestamp),
			ETag:      column("etag", cdc.String),
			MediaType: column("media_type", cdc.String),
		},
		Key: []int{Path},
	}
}

// Carried are the columns that rows have, of those that a start names; nil stands for all.
func Carried(columns [][]int) []int {
	if len(columns) > 0 && columns[0] != nil {
		return columns[0]
	}
	all := make([]int, columnCount)
	for i := range all {
		all[i] = i
	}
	return all
}

// HoldsContent reports whether rows of these columns carry the bytes.
func HoldsContent(columns []int) bool {
	for _, c := range columns {
		if c == Content || c == Text {
			return true
		}
	}
	return false
}

// Blob is what stands under a name.
type Blob struct {
	Path     string
	Data     []byte // all of it, where rows carry it
	Head     []byte // the first SniffBytes, where the media type is not told
	Size     int64
	Modified time.Time
	ETag     string
	// MediaType is the type that whoever keeps the bytes was told; empty: Path and Head tell it.
	MediaType string
}

// Build writes the row of these columns into a builder.
func (b *Blob) Build(row *cdc.RowBuilder, columns []int) {
	row.Reset()
	for _, c := range columns {
		switch c {
		case Path:
			row.Text(b.Path)
		case Content:
			row.Bytes(b.Data)
		case Text:
			if isText(b.Data) {
				row.Bytes(b.Data)
			} else {
				row.Null()
			}
		case Size:
			row.Int64(b.Size)
		case Modified:
			row.Time(b.Modified)
		case ETag:
			row.Text(b.ETag)
		case MediaType:
			if b.MediaType != "" {
				row.Text(b.MediaType)
			} else {
				row.Text(mediaType(b.Path, b.Head))
			}
		}
	}
}

// isText reports whether the bytes are a text: UTF-8 without NUL.
func isText(data []byte) bool { return bytes.IndexByte(data, 0) < 0 && utf8.Valid(data) }
