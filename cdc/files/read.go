package files

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/blob"
	"github.com/freshet/freshet/internal/idle"
	"github.com/zeebo/xxh3"
)

// reading is a file as it was read. data and head point into the reader's buffer.
type reading struct {
	note     note
	modified time.Time
	data     []byte // the whole content, where rows carry it
	head     []byte // the first blob.SniffBytes
	cause    *cdc.Cause
}

// blob is what the row of the file is made of.
func (f *reading) blob(rel string) *blob.Blob {
	return &blob.Blob{Path: rel, Data: f.data, Head: f.head, Size: f.note.size, Modified: f.modified, ETag: hex.EncodeToString(f.note.hash[:])}
}

// errAbsent is a path where no regular file stands.
var errAbsent = errors.New("no regular file")

// reader reads one file at a time through one buffer.
type reader struct {
	maxSize int64
	whole   bool // rows carry the content
	buffer  []byte
	hasher  *xxh3.Hasher
}

const (
	readTries  = 4
	readPause  = 10 * time.Millisecond
	readChunk  = 256 << 10
	keepBuffer = 8 << 20 // a larger buffer is not kept
)

// read reads the file at base of dir. A file that changes meanwhile is read again after a pause; one
// that never rests is taken as it was read last, and its note is racy. The error is errAbsent, or a
// fault that is not the file's.
func (r *reader) read(ctx context.Context, dir *os.Root, base string) (f reading, err error) {
	for try := 1; ; try++ {
		settled := false
		if f, settled, err = r.once(dir, base); settled || err != nil {
			return f, err
		}
		if try == readTries {
			f.note.racy = true
			return f, nil
		}
		if err := idle.For(ctx, readPause); err != nil {
			return f, err
		}
	}
}

// once reads the file; settled says that it did not change meanwhile.
func (r *reader) once(dir *os.Root, base string) (f reading, settled bool, err error) {
	seen, err := regular(dir, base)
	if err != nil {
		return f, false, err
	}
	f.note.stamp, f.modified = stampOf(seen), seen.ModTime()
	if seen.Size() > r.maxSize {
		f.reject(tooLarge, fmt.Sprintf("%d bytes, and max_size is %d", seen.Size(), r.maxSize))
		return f, true, nil
	}
	began := time.Now()
	file, err := dir.OpenFile(base, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return f.failed(seen, "open", absentOr(err))
	}
	defer file.Close()
	// What was opened must be what was looked at: os.Root follows links that stay within it, and the
	// file may have been replaced.
	if opened, err := file.Stat(); err != nil || !os.SameFile(seen, opened) {
		f.reject(unreadable, "another file took its place whenever it was opened")
		return f, false, nil
	}
	n, err := r.content(file, seen.Size())
	if err != nil {
		return f.failed(seen, "read", err)
	}
	if n > r.maxSize {
		f.reject(tooLarge, fmt.Sprintf("more than %d bytes while it was read, and max_size is %d", n-1, r.maxSize))
		return f, false, nil
	}
	after, err := file.Stat()
	if err != nil {
		return f.failed(seen, "read", err)
	}
	f.note.hash = r.hasher.Sum128().Bytes()
	f.note.racy = f.note.stamp.racy(began)
	f.head = r.buffer[:min(n, blob.SniffBytes)]
	if r.whole {
		f.data = r.buffer[:n]
	}
	return f, f.note.stamp == stampOf(after) && n == seen.Size(), nil
}

// content hashes up to maxSize + 1 bytes of the file and keeps them, or at least the first ones, in the
// buffer; n is how many there were.
func (r *reader) content(file io.Reader, size int64) (n int64, err error) {
	r.hasher.Reset()
	r.fit(size)
	for at := 0; n <= r.maxSize; {
		if r.whole && at == len(r.buffer) {
			grown := make([]byte, min(2*int64(len(r.buffer)), r.maxSize+1))
			copy(grown, r.buffer)
			r.buffer = grown
		} else if !r.whole && len(r.buffer)-at < blob.SniffBytes {
			at = blob.SniffBytes // the beginning stays for the media type
		}
		room := r.buffer[at:min(int64(len(r.buffer)), int64(at)+r.maxSize+1-n)]
		got, err := file.Read(room)
		r.hasher.Write(room[:got])
		at, n = at+got, n+int64(got)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// fit makes the buffer large enough for a file of this size, and one byte that tells whether it grew.
func (r *reader) fit(size int64) {
	want := int64(readChunk)
	if r.whole {
		want = max(want, size+1)
	}
	if int64(len(r.buffer)) < want || len(r.buffer) > keepBuffer && want <= keepBuffer {
		r.buffer = nil // let it go before the next one is made
		r.buffer = make([]byte, want)
	}
}

func (f *reading) reject(o outcome, message string) {
	f.note.outcome, f.note.hash, f.note.racy = o, [16]byte{}, false
	f.cause = &cdc.Cause{Code: o.String(), Message: message}
}

// failed sorts the fault of an open or a read: the file's own is a rejection, others are returned.
func (f *reading) failed(info os.FileInfo, verb string, err error) (reading, bool, error) {
	if errors.Is(err, errAbsent) || exhausted(err) {
		return *f, false, err
	}
	f.reject(unreadable, fmt.Sprintf("%s: %v (mode %v, %d bytes)", verb, cause(err), info.Mode(), info.Size()))
	return *f, true, nil
}

// blockedError is a path that cannot be looked at: its directory may not be searched, or the disk fails.
// It says nothing about the file.
type blockedError struct{ err error }

func (e *blockedError) Error() string { return e.err.Error() }
func (e *blockedError) Unwrap() error { return e.err }

// regular looks at the file at base of dir. The error is errAbsent, a [*blockedError], or one that is
// exhausted.
func regular(dir *os.Root, base string) (os.FileInfo, error) {
	info, err := dir.Lstat(base)
	switch {
	case err == nil && info.Mode().IsRegular():
		return info, nil
	case err == nil:
		return nil, errAbsent
	case exhausted(err):
		return nil, err
	}
	if err = absentOr(err); !errors.Is(err, errAbsent) {
		err = &blockedError{err: err}
	}
	return nil, err
}

// absentOr tells a path that leads to no file from other faults.
func absentOr(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) {
		return errAbsent
	}
	return err
}

// exhausted reports faults of the process or the machine, which say nothing of the file.
func exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}
