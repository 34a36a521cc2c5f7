package s3test

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Server is a bucket, and a queue where there is one, behind one address.
type Server struct {
	Bucket *Bucket
	Queue  *Queue // may be nil
}

// ServeHTTP answers as S3 does to a path-style request, or as SQS.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if target, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS."); ok && s.Queue != nil {
		s.Queue.serve(w, r, target)
		return
	}
	// The path as it was sent: keys hold what a cleaner would take away.
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	key, err := url.PathUnescape(key)
	if err != nil || bucket != s.Bucket.Name {
		refuse(w, r, &Refusal{Status: http.StatusNotFound, Code: "NoSuchBucket"})
		return
	}
	b := s.Bucket
	switch {
	case key == "" && r.Method == http.MethodHead:
		if no := b.Ask(Request{Op: "head_bucket"}); no != nil {
			refuse(w, r, no)
		}
	case key == "":
		b.list(w, r)
	case r.Method == http.MethodPut:
		b.put(w, r, key)
	case r.Method == http.MethodDelete:
		b.Ask(Request{Op: "delete", Key: key})
		b.Delete(key)
		w.WriteHeader(http.StatusNoContent)
	default:
		b.object(w, r, key)
	}
}

// refuse answers with S3's form of a fault.
func refuse(w http.ResponseWriter, r *http.Request, no *Refusal) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(no.Status)
	if r.Method != http.MethodHead {
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>as it was told</Message></Error>`, no.Code)
	}
}

type listing struct {
	XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	EncodingType string   `xml:",omitempty"`
	KeyCount     int
	IsTruncated  bool
	Contents     []listed
}

type listed struct {
	Key          string
	LastModified string
	ETag         string
	Size         int
	StorageClass string
	Restore      *restored `xml:"RestoreStatus"`
}

type restored struct {
	IsRestoreInProgress bool
	RestoreExpiryDate   string
}

func (b *Bucket) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if no := b.Ask(Request{Op: "list", After: q.Get("start-after")}); no != nil {
		refuse(w, r, no)
		return
	}
	most, err := strconv.Atoi(q.Get("max-keys"))
	if err != nil {
		most = 1000
	}
	objects, more := b.List(q.Get("prefix"), q.Get("start-after"), most)
	page := listing{EncodingType: q.Get("encoding-type"), KeyCount: len(objects), IsTruncated: more}
	for i := range objects {
		o := &objects[i]
		key := o.Key
		if page.EncodingType == "url" {
			key = strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
		}
		l := listed{Key: key, LastModified: o.Modified.UTC().Format("2006-01-02T15:04:05.000Z"), ETag: `"` + o.ETag + `"`, Size: len(o.Content), StorageClass: o.class()}
		if o.Restored {
			l.Restore = &restored{RestoreExpiryDate: "2099-01-01T00:00:00.000Z"}
		}
		page.Contents = append(page.Contents, l)
	}
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(page) // a client that has gone does not mind
}

func (o *Object) class() string {
	if o.Class == "" {
		return "STANDARD"
	}
	return o.Class
}

func (b *Bucket) put(w http.ResponseWriter, r *http.Request, key string) {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	b.Ask(Request{Op: "put", Key: key})
	w.Header().Set("ETag", `"`+b.Put(key, string(content)).ETag+`"`)
}

// object answers GET and HEAD.
func (b *Bucket) object(w http.ResponseWriter, r *http.Request, key string) {
	ask := Request{Op: "head", Key: key}
	if r.Method == http.MethodGet {
		ask.Op = "get"
	}
	no := b.Ask(ask)
	o, there := b.Head(key) // behind the script, which may have changed it
	switch {
	case no != nil && no.Status != 0:
	case !there:
		no = &Refusal{Status: http.StatusNotFound, Code: "NoSuchKey"}
	case r.Header.Get("If-Match") != "" && strings.Trim(r.Header.Get("If-Match"), `"`) != o.ETag:
		no = &Refusal{Status: http.StatusPreconditionFailed, Code: "PreconditionFailed"}
	case ask.Op == "get" && (o.Class == "GLACIER" || o.Class == "DEEP_ARCHIVE") && !o.Restored:
		no = &Refusal{Status: http.StatusForbidden, Code: "InvalidObjectState"}
	}
	if no != nil && no.Status != 0 {
		refuse(w, r, no)
		return
	}
	h := w.Header()
	h.Set("ETag", `"`+o.ETag+`"`)
	h.Set("Last-Modified", o.Modified.UTC().Format(http.TimeFormat))
	h.Set("Content-Type", "binary/octet-stream")
	if o.MediaType != "" {
		h.Set("Content-Type", o.MediaType)
	}
	h.Set("X-Amz-Storage-Class", o.class())
	if o.Restored {
		h.Set("X-Amz-Restore", `ongoing-request="false", expiry-date="Fri, 01 Jan 2099 00:00:00 GMT"`)
	}
	from, to, ok := span(r.Header.Get("Range"), len(o.Content))
	if !ok {
		refuse(w, r, &Refusal{Status: http.StatusRequestedRangeNotSatisfiable, Code: "InvalidRange"})
		return
	}
	part := o.Content[from:to]
	h.Set("Content-Length", strconv.Itoa(len(part)))
	if r.Header.Get("Range") != "" {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(o.Content)))
		w.WriteHeader(http.StatusPartialContent)
	}
	if ask.Op == "head" {
		return
	}
	b.sent(key)
	if no != nil && no.After < int64(len(part)) {
		_, _ = w.Write(part[:no.After])
		panic(http.ErrAbortHandler) // breaks the connection off
	}
	_, _ = w.Write(part) // a client that has gone does not mind
}

// span reads a range of bytes; without one it is all of them.
func span(text string, size int) (from, to int, ok bool) {
	if text == "" {
		return 0, size, true
	}
	first, last, found := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
	from, err := strconv.Atoi(first)
	if !found || err != nil || from >= size {
		return 0, 0, false
	}
	if last == "" {
		return from, size, true
	}
	to, err = strconv.Atoi(last)
	return from, min(to+1, size), err == nil && to >= from
}
