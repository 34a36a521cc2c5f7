package rest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/freshet/freshet/accel"
)

const (
	// maxErrorBody and maxMessage bound what is read and what is told of a server's complaint.
	maxErrorBody = 64 << 10
	maxMessage   = 200
)

// refusal turns a reply that is not 200 into an error.
func (c *client) refusal(res *http.Response) error {
	// What cannot be read of a complaint does not change its status.
	body, _ := readAll(io.LimitReader(res.Body, maxErrorBody), nil, -1, maxErrorBody)
	said := complaintIn(body)
	e := &accel.Error{
		Kind:    kindOf(res.StatusCode, said, body),
		Status:  res.StatusCode,
		Message: c.clean(said.message),
		Rows:    rowsIn(said.message),
	}
	if e.Message == "" {
		e.Message = strings.ToLower(http.StatusText(res.StatusCode))
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		e.Message = "redirected elsewhere, which is not followed; check base_url"
	}
	now := time.Now()
	if e.Kind != accel.Rejected {
		e.RetryAfter = retryAfter(res.Header, now)
	}
	e.Announced = announced(res.Header, now)
	return e
}

// kindOf says what a refusal means.
func kindOf(status int, said complaint, body []byte) accel.Kind {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		if said.names("model_not_found") {
			return accel.UnknownModel
		}
		if strings.Contains(said.message, "credit balance is too low") {
			return accel.Quota // Anthropic says so of an account, not of a text
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
		lower := bytes.ToLower(body)
		if bytes.Contains(lower, []byte("too large to process")) {
			return accel.Rejected
		}
		if bytes.Contains(lower, []byte("out of memory")) {
			return accel.OutOfMemory
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
func (c *client) clean(s string) string {
	s = strings.ToValidUTF8(s, "�")
	for _, secret := range append([]Secret{c.options.Key}, c.headerValues()...) {
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

func (c *client) headerValues() []Secret {
	var values []Secret
	for _, value := range c.options.Headers {
		// A short value is no credential, and would blot out words.
		if len(value) >= 8 {
			values = append(values, value)
		}
	}
	return values
}

// rowsIn finds the places of inputs that a complaint names, as in "input[3] is too long".
func rowsIn(message string) []int {
	var rows []int
	for _, m := range inputPlace().FindAllStringSubmatch(message, -1) {
		if n, err := strconv.Atoi(m[1]); err == nil && !slices.Contains(rows, n) {
			rows = append(rows, n)
		}
	}
	return rows
}

func inputPlace() *regexp.Regexp { return regexp.MustCompile(`\binputs?[\[.](\d{1,6})\b`) }
