package main

import (
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/freshet/freshet/cdc"
)

// prose is text that bodies are cut from, so that making a row costs little more than copying it.
type prose string

const proseBytes = 1 << 20

func newProse() prose {
	words := strings.Fields(`the of and to in a is that for it as was with be by on not he his but at are this have from or had
		an which you one we were all their there would when who will more no if out so said what up its about into than them
		can only other new some could time these two may then do first any my now such like our over man me even most made
		after also did many before must through years where much your way well down should because each just those people`)
	rng := rand.New(rand.NewPCG(1, 1))
	var b strings.Builder
	for b.Len() < proseBytes {
		b.WriteString(words[rng.IntN(len(words))])
		b.WriteByte(' ')
	}
	return prose(b.String())
}

// bodyBytes is about what a body has; a row of id, title and body is 200 bytes.
const bodyBytes = 150

// body is the text of a row in one of its versions; each has another one.
func (p prose) body(b []byte, key, version, size int) []byte {
	h := (uint64(key)<<20 + uint64(version)) * 0x9e3779b97f4a7c15
	at := int(h>>33) % (len(p) - size)
	b = append(b, p[at:at+size]...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(key), 36)
	b = append(b, '.')
	return strconv.AppendInt(b, int64(version), 36)
}

// schema is that of every source here.
func schema() *cdc.Schema {
	text := cdc.Type{Kind: cdc.String}
	return &cdc.Schema{Columns: []cdc.Column{{Name: "id", Type: text}, {Name: "title", Type: text}, {Name: "body", Type: text}}, Key: []int{0}}
}

// document is one row before it is encoded.
type document struct {
	key, title, body int // the row's number, the version of its title, the version of its body
	text             int // number that the body is made from; documents of one text are copies
	size             int // of the body, in bytes
}

// writer makes changes of documents without an allocation for each.
type writer struct {
	prose           prose
	builder         cdc.RowBuilder
	key             cdc.Key
	id, title, text []byte
}

func (w *writer) add(b *cdc.Batch, op cdc.Op, d document) {
	w.id = append(strconv.AppendInt(append(w.id[:0], "doc-0"...), int64(d.key)+1e9, 10), "-de"...)
	w.builder.Reset()
	w.builder.Bytes(w.id)
	c := cdc.Change{Op: op}
	// Strings can always be keys.
	w.key, _ = cdc.AppendKeyValue(w.key[:0], cdc.String, cdc.Value{Raw: w.id})
	c.Key = w.key
	if op == cdc.Delete {
		b.Add(c)
		return
	}
	w.title = strconv.AppendInt(append(w.title[:0], "A title of usual length, edition "...), int64(d.title), 10)
	w.builder.Bytes(w.title)
	w.text = w.prose.body(w.text[:0], d.text, d.body, d.size)
	w.builder.Bytes(w.text)
	b.AddBuilt(c, &w.builder)
}
