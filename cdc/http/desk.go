package http

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"mime"
	nethttp "net/http"
	"strconv"
	"strings"
	"time"
)

// desk answers requests.
type desk struct {
	source   *Source
	reader   *reader
	room     *room
	pushes   chan *push    // to Run; bounded, and the pushes in it by the room
	stopping chan struct{} // closed when the run ends
}

// The headers by which a producer numbers its pushes.
const (
	headerProducer = "Freshet-Producer"
	headerSequence = "Freshet-Sequence"
)

// bodyTime bounds the reading of a body.
const bodyTime = 30 * time.Second

// ServeHTTP answers one request.
func (d *desk) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if f := d.admit(r); f != nil {
		d.refuse(w, f)
		return
	}
	switch {
	case r.URL.Path != "/":
		d.refuse(w, &fault{status: nethttp.StatusNotFound, code: "not_found", message: "changes are pushed to /", hint: "POST them to /"})
	case r.Method == nethttp.MethodGet || r.Method == nethttp.MethodHead:
		d.tell(w)
	case r.Method != nethttp.MethodPost:
		h.Set("Allow", "GET, HEAD, POST")
		d.refuse(w, &fault{status: nethttp.StatusMethodNotAllowed, code: "method_not_allowed", message: "changes are pushed with POST", hint: "a delete is an element with _op: delete"})
	default:
		d.source.facts.requests.Add(1)
		if answer, f := d.push(w, r); f != nil && f.status == nethttp.StatusRequestEntityTooLarge {
			d.refuseLarge(w, r, f)
		} else if f != nil {
			d.refuse(w, f)
		} else {
			write(w, nethttp.StatusAccepted, envelope{OK: true, Data: answer})
		}
	}
}

// refuseLarge refuses a body that is too large, and reads on for a while: many clients look for an answer when they have sent
// everything, and find a broken connection where nobody takes it.
func (d *desk) refuseLarge(w nethttp.ResponseWriter, r *nethttp.Request, f *fault) {
	control := nethttp.NewResponseController(w)
	_ = control.EnableFullDuplex() // without it, as without a deadline, the connection is closed at once
	w.Header().Set("Connection", "close")
	d.refuse(w, f)
	if control.Flush() == nil && control.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, r.Body, lingerBytes)
	}
}

// Of a body that is refused for its size so much is read, for so long.
const (
	lingerBytes = 256 << 20
	lingerTime  = 10 * time.Second
)

// admit lets in who carries the token or, without one, who asks from this machine by its own name: no page of another
// site, and no name that somebody lets point here.
func (d *desk) admit(r *nethttp.Request) *fault {
	if d.source.o.Token == "" {
		origin := nethttp.NewCrossOriginProtection()
		if origin.Check(r) != nil || !loopback(hostOf(r.Host)) {
			return &fault{status: nethttp.StatusForbidden, code: "forbidden", message: "the request comes from a page of another site, or names another host", hint: "push to localhost from a program, or give the source a token"}
		}
		return nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given, want := sha256.Sum256([]byte(strings.TrimSpace(token))), sha256.Sum256([]byte(d.source.o.Token))
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(given[:], want[:]) != 1 {
		return &fault{status: nethttp.StatusUnauthorized, code: "unauthorized", message: "the request does not carry the source's token", hint: "send it as Authorization: Bearer …"}
	}
	return nil
}

func hostOf(host string) string {
	if at := strings.LastIndexByte(host, ':'); at > strings.LastIndexByte(host, ']') {
		host = host[:at]
	}
	return host
}

// push reads, hands over and waits.
func (d *desk) push(w nethttp.ResponseWriter, r *nethttp.Request) (*answer, *fault) {
	p := &push{taken: make(chan taken, 1)}
	if f := p.number(r.Header); f != nil {
		return nil, f
	}
	read, f := d.form(r.Header)
	if f != nil {
		return nil, f
	}
	if r.ContentLength > d.source.o.MaxBody {
		return nil, d.tooLarge()
	}
	if p.bytes = r.ContentLength; p.bytes < 0 {
		p.bytes = d.source.o.MaxBody
	}
	if !d.room.take(p.bytes) {
		return nil, busy()
	}
	kept := false
	defer func() {
		if !kept {
			d.room.give(p.bytes)
		}
	}()
	body, f := d.body(w, r)
	if f != nil {
		return nil, f
	}
	var err error
	if p.changes, err = read(body); err != nil {
		return nil, unreadable(err)
	}
	changes := len(p.changes)
	if changes == 0 {
		return &answer{}, nil
	}
	p.time = time.Now().UnixMicro()
	ctx, cancel := context.WithTimeout(r.Context(), d.source.o.Wait)
	defer cancel()
	select {
	case <-d.stopping:
		return nil, stopping()
	default:
	}
	select {
	case d.pushes <- p:
		kept = true
	default:
		return nil, busy()
	}
	return d.await(ctx, p, changes)
}

// number reads which push of which producer it is.
func (p *push) number(h nethttp.Header) *fault {
	name, sequence := h.Get(headerProducer), h.Get(headerSequence)
	if name == "" && sequence == "" {
		return nil
	}
	n, err := strconv.ParseUint(sequence, 10, 63)
	if err != nil || n == 0 || name == "" || len(name) > producerBytes {
		return &fault{status: nethttp.StatusBadRequest, code: "bad_sequence", message: headerProducer + " and " + headerSequence + " say which push of whom it is",
			hint: "give both: a name of up to 64 bytes, and a number from 1 that grows with every push"}
	}
	p.producer, p.sequence = name, n
	return nil
}

// form is how the body is read, by what it says that it is.
func (d *desk) form(h nethttp.Header) (func([]byte) ([]change, error), *fault) {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	encoding := h.Get("Content-Encoding")
	plain := (encoding == "" || strings.EqualFold(encoding, "identity")) && (params["charset"] == "" || strings.EqualFold(params["charset"], "utf-8"))
	if err == nil && plain {
		switch kind {
		case "application/json":
			return d.reader.document, nil
		case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
			return d.reader.lines, nil
		}
	}
	return nil, &fault{status: nethttp.StatusUnsupportedMediaType, code: "unsupported_media_type", message: "the body is neither JSON nor lines of JSON, in UTF-8 and not compressed",
		hint: "send Content-Type: application/json (one object or an array) or application/x-ndjson (one object a line)"}
}

// body reads the body whole.
func (d *desk) body(w nethttp.ResponseWriter, r *nethttp.Request) ([]byte, *fault) {
	control := nethttp.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // a connection that knows no deadlines is bounded by its size
	var b bytes.Buffer
	if r.ContentLength > 0 {
		b.Grow(int(r.ContentLength))
	}
	_, err := io.Copy(&b, nethttp.MaxBytesReader(w, r.Body, d.source.o.MaxBody))
	_ = control.SetReadDeadline(time.Time{})
	var large *nethttp.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, d.tooLarge()
	case err != nil:
		return nil, &fault{status: nethttp.StatusBadRequest, code: "bad_body", message: "the body broke off: " + err.Error(), hint: "push it again, within 30 s"}
	}
	return b.Bytes(), nil
}

// await waits until a push is durable (I1). Whoever is told that it is not known, pushes again.
func (d *desk) await(ctx context.Context, p *push, changes int) (*answer, *fault) {
	var t taken
	select {
	case t = <-p.taken:
	case <-d.stopping:
		return nil, stopping()
	case <-ctx.Done():
		return nil, late()
	}
	if t.repeated {
		d.source.facts.repeated.Add(1)
		changes = 0
	}
	for {
		durable, changed := d.source.reached(t.number)
		if durable {
			d.source.facts.taken.Add(1)
			return &answer{Changes: changes, Position: d.source.Describe(numberOf(t.number)), Repeated: t.repeated}, nil
		}
		select {
		case <-changed:
		case <-d.stopping:
			return nil, stopping()
		case <-ctx.Done():
			return nil, late()
		}
	}
}
