package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

var errCopy = errors.New("rows in binary form are malformed")

// copySignature begins a COPY in binary form.
const copySignature = "PGCOPY\n\xff\r\n\x00"

// copyReader cuts a COPY in binary form into tuples. It takes pieces of any size.
type copyReader struct {
	begun, over bool
	rest        []byte // of a tuple that has not come whole
}

// feed calls add for each tuple that is complete; its values point into data and are valid during the call.
func (r *copyReader) feed(data []byte, t *tuple, add func() error) error {
	if len(r.rest) > 0 {
		r.rest = append(r.rest, data...)
		data = r.rest
	}
	for {
		n, ok, err := r.next(data, t)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		data = data[n:]
		if len(t.forms) == 0 && !r.over {
			continue // the head
		}
		if r.over {
			break
		}
		if err := add(); err != nil {
			return err
		}
	}
	r.rest = append(r.rest[:0], data...)
	return nil
}

// next reads the head, a tuple or the end. ok is false while it has not come whole.
func (r *copyReader) next(data []byte, t *tuple) (n int, ok bool, err error) {
	t.forms, t.values = t.forms[:0], t.values[:0]
	if !r.begun {
		head := len(copySignature) + 8
		if len(data) < head {
			return 0, false, nil
		}
		if !bytes.HasPrefix(data, []byte(copySignature)) {
			return 0, false, fmt.Errorf("%w: it does not begin as such", errCopy)
		}
		head += int(binary.BigEndian.Uint32(data[head-4:])) // an extension
		if len(data) < head {
			return 0, false, nil
		}
		r.begun = true
		return head, true, nil
	}
	if r.over {
		if len(data) > 0 {
			return 0, false, fmt.Errorf("%w: %d bytes behind the end", errCopy, len(data))
		}
		return 0, false, nil
	}
	if len(data) < 2 {
		return 0, false, nil
	}
	count := int(int16(binary.BigEndian.Uint16(data)))
	if count == -1 {
		r.over = true
		return 2, true, nil
	}
	if count < 0 {
		return 0, false, fmt.Errorf("%w: a row of %d columns", errCopy, count)
	}
	at := 2
	for range count {
		if len(data) < at+4 {
			return 0, false, nil
		}
		size := int(int32(binary.BigEndian.Uint32(data[at:])))
		at += 4
		switch {
		case size == -1:
			t.forms, t.values = append(t.forms, formNull), append(t.values, nil)
			continue
		case size < 0:
			return 0, false, fmt.Errorf("%w: a value of %d bytes", errCopy, size)
		case len(data) < at+size:
			return 0, false, nil
		}
		t.forms, t.values = append(t.forms, formBinary), append(t.values, data[at:at+size:at+size])
		at += size
	}
	return at, true, nil
}

// ended makes sure that the end has come.
func (r *copyReader) ended() error {
	if !r.over {
		return fmt.Errorf("%w: they end too early", errCopy)
	}
	return nil
}
