package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/freshet/freshet/accel"
)

// maxKept is the largest buffer that is kept for the next reply.
const maxKept = 16 << 20

// read takes the reply of the server, whatever it is.
func (c *client) read(res *http.Response, limit int, take func(Reply) error) error {
	if res.StatusCode != http.StatusOK {
		return c.refusal(res)
	}
	buffer := c.buffers.Get().(*[]byte)
	defer func() {
		if cap(*buffer) <= maxKept {
			c.buffers.Put(buffer)
		}
	}()
	body, err := readAll(res.Body, (*buffer)[:0], res.ContentLength, limit)
	*buffer = body
	switch {
	case errors.Is(err, errTooLong):
		return malformed("the reply is longer than %d bytes", limit)
	case err != nil:
		return c.broken("read the reply", err)
	}
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	reply := Reply{Body: body, Type: kind, Announced: announced(res.Header, time.Now())}
	if err = take(reply); err == nil {
		return nil
	}
	if e, ok := errors.AsType[*accel.Error](err); ok {
		return e
	}
	if kind != "" && !strings.Contains(kind, "json") {
		return malformed("%s, and is %s", c.clean(err.Error()), c.clean(kind))
	}
	return malformed("%s", c.clean(err.Error()))
}

// malformed is a reply that no correct server gives.
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
