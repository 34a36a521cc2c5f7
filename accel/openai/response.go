package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/freshet/freshet/accel"
)

const (
	// maxDims bounds what a server may send per text while its dimension is not known.
	maxDims = 16384
	// numberBytes is the most that one number of a vector takes, with white space around it.
	numberBytes = 48
	// maxErrorBody and maxMessage bound what is read and what is told of a server's complaint.
	maxErrorBody = 64 << 10
	maxMessage   = 200
	// maxKept is the largest buffer that is kept for the next reply.
	maxKept = 16 << 20
)

// bodyLimit is the most that a correct reply for n texts can take.
func (c *Client) bodyLimit(n int) int {
	dims := c.options.Dims
	if dims == 0 {
		dims = maxDims
	}
	return 64<<10 + n*(1<<10+numberBytes*dims)
}

// read takes the reply of the server, whatever it is.
func (c *Client) read(res *http.Response, texts []string) (accel.Reply, error) {
	if res.StatusCode != http.StatusOK {
		return accel.Reply{}, c.refusal(res)
	}
	buffer := c.buffers.Get().(*[]byte)
	defer func() {
		if cap(*buffer) <= maxKept {
			c.buffers.Put(buffer)
		}
	}()
	limit := c.bodyLimit(len(texts))
	body, err := readAll(res.Body, (*buffer)[:0], res.ContentLength, limit)
	*buffer = body
	switch {
	case errors.Is(err, errTooLong):
		return accel.Reply{}, malformed("the reply is longer than %d bytes", limit)
	case err != nil:
		return accel.Reply{}, c.broken("read the reply", err)
	}
	reply, err := decode(body, len(texts), c.options.Dims)
	if err != nil {
		kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
		if kind != "" && !strings.Contains(kind, "json") {
			return reply, malformed("%s, and is %s", err, c.clean(kind))
		}
		return reply, malformed("%s", c.clean(err.Error()))
	}
	if reply.Usage == (accel.Usage{}) {
		for _, text := range texts {
			reply.Usage.InputTokens += int64(accel.EstimateTokens(text))
		}
	}
	return reply, nil
}

func malformed(format string, args ...any) *accel.Error {
	return &accel.Error{Kind: accel.Malformed, Status: http.StatusOK, Message: fmt.Sprintf(format, args...)}
}

var errTooLong = errors.New("body over its limit")

// readAll reads r to its end into buf, which grows; size is the announced length or -1.
func readAll(r io.Reader, buf []byte, size int64, limit int) ([]byte, error) {
	if size > int64(limit) {
		return buf, errTooLong
	}
	if need := int(max(size+1, 4<<10)); cap(buf) < need {
		buf = make([]byte, 0, need)
	}
	for {
		if len(buf) > limit {
			return buf, errTooLong
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

// refusal turns a reply that is not 200 into an error.
func (c *Client) refusal(res *http.Response) error {
	// What cannot be read of a complaint does not change its status.
	body, _ := readAll(io.LimitReader(res.Body, maxErrorBody), nil, -1, maxErrorBody)
	said := complaintIn(body)
	e := &accel.Error{
		Kind:    kindOf(res.StatusCode, said, body),
		Status:  res.StatusCode,
		Message: c.clean(said.message),
	}
	if e.Message == "" {
		e.Message = strings.ToLower(http.StatusText(res.StatusCode))
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		e.Message = "redirected elsewhere, which is not followed; check base_url"
	}
	if e.Kind != accel.Rejected {
		e.RetryAfter = retryAfter(res.Header, time.Now())
	}
	return e
}

// kindOf says what a refusal means.
func kindOf(status int, said complaint, body []byte) accel.Kind {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		if said.names("model_not_found") {
			return accel.UnknownModel
		}
		return accel.Rejected
	case http.StatusUnauthorized, http.StatusForbidden:
		return accel.Auth
	case http.StatusPaymentRequired:
		return accel.Quota
	case http.StatusNotFound:
		return accel.UnknownModel
	case http.StatusTooManyRequests:
		if said.names("insufficient_quota") {
			return accel.Quota
		}
	case http.StatusInternalServerError:
		// llama.cpp says so of a text that does not fit its batch.
		if bytes.Contains(bytes.ToLower(body), []byte("too large to process")) {
			return accel.Rejected
		}
	}
	return accel.Unavailable
}

// complaint is the error object of a reply, in one of the forms that servers give it.
type complaint struct{ message, kind, code string }

func (c complaint) names(word string) bool { return c.kind == word || c.code == word }

// complaintIn reads {"error": {message, type, code}}, {"error": "…"}, {"message": "…"},
// {"detail": "…"} or a short plain text. What it cannot read it leaves empty.
func complaintIn(body []byte) complaint {
	var outer struct {
		Error, Message, Detail, Type, Code json.RawMessage
	}
	if json.Unmarshal(body, &outer) != nil {
		if text := strings.TrimSpace(string(body)); !strings.HasPrefix(text, "<") {
			return complaint{message: text}
		}
		return complaint{}
	}
	c := complaint{message: textOf(outer.Error), kind: textOf(outer.Type), code: textOf(outer.Code)}
	var inner struct{ Message, Type, Code json.RawMessage }
	if json.Unmarshal(outer.Error, &inner) == nil {
		c = complaint{message: textOf(inner.Message), kind: textOf(inner.Type), code: textOf(inner.Code)}
	}
	for _, other := range []json.RawMessage{outer.Message, outer.Detail} {
		if c.message == "" {
			c.message = textOf(other)
		}
	}
	return c
}

// textOf returns a JSON string's value, and nothing for anything else.
func textOf(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// clean makes a server's words fit for an error: one short line without credentials.
func (c *Client) clean(s string) string {
	s = strings.ToValidUTF8(s, "�")
	for _, secret := range append([]Secret{c.options.APIKey}, c.headerValues()...) {
		if secret != "" {
			s = strings.ReplaceAll(s, string(secret), redacted)
		}
	}
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || isControl(r) }), " ")
	if len(s) <= maxMessage {
		return s
	}
	end := maxMessage
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

func (c *Client) headerValues() []Secret {
	var values []Secret
	for _, value := range c.options.Headers {
		// A short value is no credential, and would blot out words.
		if len(value) >= 8 {
			values = append(values, value)
		}
	}
	return values
}
