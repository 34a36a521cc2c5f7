package s3_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/s3/s3test"
	"github.com/google/go-cmp/cmp"
)

// many puts n objects, told or not.
func (w *world) many(n int) map[string]string {
	for i := range n {
		w.bucket.Put(fmt.Sprintf("k%04d", i), fmt.Sprint("text ", i))
	}
	return w.bucket.Texts("")
}

// refusing answers requests of some kinds with a fault.
func refusing(status int, code string, ops ...string) func(s3test.Request) *s3test.Refusal {
	return func(r s3test.Request) *s3test.Refusal {
		if len(ops) > 0 && !slices.Contains(ops, r.Op) {
			return nil
		}
		return &s3test.Refusal{Status: status, Code: code}
	}
}

func TestAnObjectThatIsKnownIsNotFetchedAgain(t *testing.T) {
	w := newWorld(t)
	want := w.many(2500)
	w.load()
	w.holds(want)
	if n := len(w.bucket.Fetched()); n != 2500 {
		t.Errorf("%d objects are fetched", n)
	}
	lists := w.bucket.Count("list")
	w.load()
	if n := len(w.bucket.Fetched()); n != 2500 || w.bucket.Count("head") != 0 || w.bucket.Count("list")-lists != 3 || len(w.in.Puts()) > 0 {
		t.Errorf("a second run fetches %d, looks at %d, lists %d pages, puts %d", n-2500, w.bucket.Count("head"), w.bucket.Count("list")-lists, len(w.in.Puts()))
	}
	o, _ := w.bucket.Head("k0001")
	o.Content, o.ETag = []byte("TEXT 1"), "another" // of the same size and time
	w.bucket.PutObject(o)
	want["k0001"] = "TEXT 1"
	w.load()
	w.holds(want)
	if got := w.bucket.Fetched()[2500:]; !cmp.Equal(got, []string{"k0001"}) {
		t.Errorf("then %v are fetched", got)
	}
}

// Rows that carry neither content nor media type are made of listings alone.
func TestListingsAreEnoughForRowsWithoutContent(t *testing.T) {
	w := newWorld(t)
	w.many(20)
	w.load(func(s *cdc.Start) { s.Columns = [][]int{{0, 3, 5}} })
	if len(w.in.Rows()) != 20 || w.bucket.Count("get")+w.bucket.Count("head") > 0 {
		t.Errorf("%d rows, %d objects fetched, %d looked at", len(w.in.Rows()), w.bucket.Count("get"), w.bucket.Count("head"))
	}
}

func TestMediaTypesAreThoseThatWereTold(t *testing.T) {
	w := newWorld(t)
	for key, o := range map[string]s3test.Object{
		"told":       {MediaType: "text/markdown; charset=utf-8", Content: []byte("# x")},
		"named.md":   {MediaType: "binary/octet-stream", Content: []byte("# x")},
		"sniffed":    {Content: []byte("%PDF-1.7\n")},
		"empty.json": {},
	} {
		o.Key, o.ETag = key, key
		w.bucket.PutObject(o)
	}
	want := map[string]string{"told": "text/markdown", "named.md": "text/markdown", "sniffed": "application/pdf", "empty.json": "application/json"}
	for _, columns := range [][]int{{0, 6}, {0, 1, 6}} {
		w.load(func(s *cdc.Start) { s.Columns, s.Rescan = [][]int{columns}, true })
		got := make(map[string]string)
		for _, row := range w.in.Rows() {
			got[row.At(0).Text()] = row.At(row.Len() - 1).Text()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("columns %v: media types (-want +got):\n%s", columns, diff)
		}
	}
}

func TestObjectsThatCanBeNoRowsAreRejected(t *testing.T) {
	w := newWorld(t)
	w.options.MaxSize = 10
	w.bucket.Put("big", "more than ten bytes")
	w.bucket.Put("grows", "small")
	w.bucket.PutObject(s3test.Object{Key: "cold", Content: []byte("cold"), ETag: "c", Class: "GLACIER"})
	rejects := func() map[string]string {
		got := make(map[string]string)
		for _, p := range w.in.Puts() {
			if p.Op == cdc.Reject {
				got[p.Key.Text()] = p.Cause.Code
			}
		}
		return got
	}
	w.load()
	w.holds(map[string]string{"grows": "small"})
	if diff := cmp.Diff(map[string]string{"big": "too_large", "cold": "archived"}, rejects()); diff != "" {
		t.Errorf("rejected (-want +got):\n%s", diff)
	}
	if got := w.bucket.Fetched(); !cmp.Equal(got, []string{"grows"}) {
		t.Errorf("%v are fetched", got)
	}
	w.load() // nothing is new
	if len(w.in.Puts()) > 0 {
		t.Errorf("%v are put again", w.in.Puts())
	}
	w.bucket.Put("grows", "and outgrows it") // I6: the row goes
	w.bucket.Put("big", "cut")
	w.bucket.PutObject(s3test.Object{Key: "cold", Content: []byte("cold"), ETag: "c", Class: "GLACIER", Restored: true})
	w.load()
	w.holds(map[string]string{"big": "cut", "cold": "cold"})
	w.options.MaxSize = 100
	w.load()
	w.holds(map[string]string{"big": "cut", "cold": "cold", "grows": "and outgrows it"})
}

// I6: what may not be read is said, and what is known of it stays.
func TestObjectsThatAreDeniedKeepTheirRows(t *testing.T) {
	w := newWorld(t)
	want := w.many(5)
	w.load()
	w.bucket.Put("k0002", "secret")
	w.bucket.Put("k0003", "changed")
	want["k0003"] = "changed"
	deny := func(r s3test.Request) *s3test.Refusal {
		if r.Key == "k0002" {
			return &s3test.Refusal{Status: 403, Code: "AccessDenied"}
		}
		return nil
	}
	w.bucket.Refuse(deny)
	if err := w.once(); fault(err).Code != "access_denied" {
		t.Errorf("the run ends with %v", err)
	}
	w.holds(want)
	w.options.Notify.Poll = 10 * time.Millisecond
	w.follow()
	w.wait("the problem", func() bool { return fault(w.in.Hindrance()).Code == "access_denied" })
	w.holds(want)
	w.bucket.Refuse(nil)
	want["k0002"] = "secret"
	w.reaches(want)
	w.wait("the end of the problem", func() bool { return w.in.Hindrance() == nil })
}

// A right that lacks on all objects is one fault, and no dead letter for each.
func TestARightThatLacksOnEveryObjectStopsTheRun(t *testing.T) {
	w := newWorld(t)
	w.many(1000)
	w.bucket.Refuse(refusing(403, "AccessDenied", "get"))
	if err := w.once(); fault(err).Code != "access_denied" || len(w.in.Puts()) > 0 || w.bucket.Count("get") > 200 {
		t.Errorf("it ends with %v after %d changes and %d requests", err, len(w.in.Puts()), w.bucket.Count("get"))
	}
	w.bucket.Refuse(nil)
	w.load()
	w.holds(w.bucket.Texts(""))
}

// An object that breaks off is read on from where it broke; one that changes meanwhile is read anew.
func TestContentsAreReadWhole(t *testing.T) {
	w := newWorld(t)
	large := strings.Repeat("the quick brown fox\n", 50_000)
	w.bucket.Put("large", large)
	broken := 0
	w.bucket.Refuse(func(r s3test.Request) *s3test.Refusal {
		if r.Op == "get" && broken < 3 {
			broken++
			return &s3test.Refusal{After: 300_000}
		}
		return nil
	})
	w.load()
	w.holds(map[string]string{"large": large})
	if broken != 3 {
		t.Errorf("it broke off %d times", broken)
	}
	changed := 0
	w.bucket.Put("large", large+"a")
	w.bucket.Refuse(func(r s3test.Request) *s3test.Refusal {
		if r.Op == "get" && changed < 2 {
			changed++
			w.bucket.Put("large", fmt.Sprint(large, "b", changed)) // between the look and the reading
		}
		return nil
	})
	w.load()
	w.holds(map[string]string{"large": large + "b2"})
}

// An object that changes faster than it can be looked at is taken as it comes, whole.
func TestAnObjectThatNeverRestsIsTakenAsItComes(t *testing.T) {
	w := newWorld(t)
	n := 0
	w.bucket.Put("busy", "0")
	w.bucket.Refuse(func(r s3test.Request) *s3test.Refusal {
		if r.Op == "get" {
			n++
			w.bucket.Put("busy", strings.Repeat("x", n))
		}
		return nil
	})
	w.load()
	row := w.in.Rows()["0/busy"]
	if text := row.At(2).Text(); text == "" || strings.Trim(text, "x") != "" || row.At(3).Int64() != int64(len(text)) {
		t.Errorf("the row is %q of %d bytes", text, row.At(3).Int64())
	}
}

// Outages cost time and nothing else.
func TestAServerThatFailsNowAndThen(t *testing.T) {
	w := newWorld(t)
	w.many(30)
	n := 0
	faults := []int{http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusTooManyRequests}
	w.bucket.Refuse(func(r s3test.Request) *s3test.Refusal {
		if n++; n%3 == 0 && n < 60 {
			return &s3test.Refusal{Status: faults[n/3%3], Code: "SlowDown"}
		}
		return nil
	})
	w.load()
	w.holds(w.bucket.Texts(""))
}

// Listings and notifications agree on every key; one that is no UTF-8 has no row.
func TestOddKeysAreRows(t *testing.T) {
	w := newWorld(t)
	for i, key := range []string{"a b.md", "ü/日本 語.md", "plus+plus", "pct%2Bx", "50%", "../../escape", "..", ".", "a/./b", "//double", "a//b", "trail/",
		strings.Repeat("x", 1024), "q?x=1&y=2", "#hash", "back\\slash", "'\"<>&", "C:\\x", "~", "-rf", "nul%00", "{{ row }}", "${HOME}", "\x01\x7f", "/"} {
		w.bucket.Put(key, fmt.Sprint("text ", i))
	}
	w.bucket.Put("not \xff UTF-8", "left out")
	want := w.bucket.Texts("")
	delete(want, "not \xff UTF-8")
	w.load()
	w.holds(want)
	w.hear()
	w.follow()
	for key := range want {
		w.must(w.Write(key, "new"))
		want[key] = "new"
	}
	w.reaches(want)
}
