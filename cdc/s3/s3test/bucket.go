package s3test

import (
	"crypto/md5" //nolint:gosec // an ETag is what S3 says it is
	"encoding/hex"
	"slices"
	"sync"
	"time"
)

// Object is what stands under a key.
type Object struct {
	Key       string
	Content   []byte
	ETag      string // without quotes
	MediaType string
	Modified  time.Time
	Class     string // its storage class; empty: STANDARD
	Restored  bool   // of an archive class: it can be read
}

// Bucket is a bucket in memory.
type Bucket struct {
	Name string

	mu      sync.Mutex
	objects map[string]Object
	keys    []string // sorted
	refuse  func(Request) *Refusal
	counts  map[string]int
	fetched []string

	script sync.Mutex // serialises scripts, which may ask the bucket themselves
}

// Request is one that a bucket is asked, as a script of refusals sees it.
type Request struct {
	Op    string // list, head, get, head_bucket, put, delete
	Key   string
	After string // of list
}

// Refusal is an answer other than what was asked for.
type Refusal struct {
	Status int    // of the answer; 0: it is good …
	Code   string // as S3 names the fault
	After  int64  // … and breaks off after so many bytes
}

// NewBucket is an empty bucket.
func NewBucket(name string) *Bucket {
	return &Bucket{Name: name, objects: make(map[string]Object), counts: make(map[string]int)}
}

// Put puts an object; its ETag is that of its content.
func (b *Bucket) Put(key, content string) Object {
	return b.PutObject(Object{Key: key, Content: []byte(content), ETag: ETag(content), Modified: time.Now()})
}

// ETag is that of a content which was put in one piece.
func ETag(content string) string {
	sum := md5.Sum([]byte(content)) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}

// PutObject puts an object as it is given.
func (b *Bucket) PutObject(o Object) Object {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.objects[o.Key]; !ok {
		i, _ := slices.BinarySearch(b.keys, o.Key)
		b.keys = slices.Insert(b.keys, i, o.Key)
	}
	b.objects[o.Key] = o
	return o
}

// Delete removes what stands under a key, if anything does.
func (b *Bucket) Delete(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.objects[key]; ok {
		delete(b.objects, key)
		i, _ := slices.BinarySearch(b.keys, key)
		b.keys = slices.Delete(b.keys, i, i+1)
	}
}

// Head gives what stands under a key.
func (b *Bucket) Head(key string) (Object, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[key]
	return o, ok
}

// List gives up to a number of objects behind a key and below a prefix, in order, and whether there are more.
func (b *Bucket) List(prefix, after string, most int) (found []Object, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := slices.BinarySearch(b.keys, max(prefix, after))
	if ok && after >= prefix && after != "" {
		i++
	}
	for ; i < len(b.keys) && len(b.keys[i]) >= len(prefix) && b.keys[i][:len(prefix)] == prefix; i++ {
		if len(found) == most {
			return found, true
		}
		found = append(found, b.objects[b.keys[i]])
	}
	return found, false
}

// Texts are all objects below a prefix with their contents.
func (b *Bucket) Texts(prefix string) map[string]string {
	texts := make(map[string]string)
	all, _ := b.List(prefix, "", 1<<40)
	for _, o := range all {
		texts[o.Key] = string(o.Content)
	}
	return texts
}

// Refuse lets a script see every request and answer some of them otherwise; nil ends it.
func (b *Bucket) Refuse(script func(Request) *Refusal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = script
}

// Count is how many requests of a kind there were.
func (b *Bucket) Count(op string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts[op]
}

// sent counts a content that is on its way.
func (b *Bucket) sent(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fetched = append(b.fetched, key)
}

// Fetched are the keys whose contents were sent, whole or in part, in order.
func (b *Bucket) Fetched() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.fetched)
}

// Ask counts a request and says how it is refused; nil: it is not.
func (b *Bucket) Ask(r Request) *Refusal {
	b.mu.Lock()
	b.counts[r.Op]++
	script := b.refuse
	b.mu.Unlock()
	if script == nil {
		return nil
	}
	b.script.Lock()
	defer b.script.Unlock()
	return script(r)
}
