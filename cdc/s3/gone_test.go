package s3_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/s3/s3test"
)

// I10: a bucket that cannot be listed is never an empty one.
func TestABucketThatCannotBeListedDeletesNothing(t *testing.T) {
	for _, c := range []struct {
		name, code string
		refuse     func(s3test.Request) *s3test.Refusal
	}{
		{"denied", "access_denied", refusing(403, "AccessDenied")},
		{"unknown user", "access_denied", refusing(403, "InvalidAccessKeyId")},
		{"gone", "server_unreachable", refusing(404, "NoSuchBucket")},
		{"elsewhere", "server_unreachable", refusing(301, "PermanentRedirect")},
		{"breaking off after a page", "access_denied", func(r s3test.Request) *s3test.Refusal {
			if r.Op == "list" && r.After != "" {
				return &s3test.Refusal{Status: 403, Code: "AccessDenied"}
			}
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			want := w.many(1005)
			w.load()
			w.bucket.Delete("k0000")
			w.bucket.Refuse(c.refuse)
			if err := w.once(); fault(err).Code != c.code || fault(err).Hint == "" {
				t.Errorf("the run ends with %v", err)
			}
			w.holds(want)
			w.options.Notify.Poll = 10 * time.Millisecond
			w.begin()
			w.wait("the problem", func() bool { return fault(w.in.Hindrance()).Code == c.code })
			w.holds(want)
			w.bucket.Refuse(nil)
			delete(want, "k0000")
			w.reaches(want)
			w.wait("the end of the problem", func() bool { return w.in.Hindrance() == nil })
		})
	}
}

// An answer to HEAD does not tell a key that is gone from a bucket that is.
func TestAHintAboutABucketThatIsGoneDeletesNothing(t *testing.T) {
	w := newWorld(t)
	w.hear()
	want := w.many(3)
	w.follow()
	w.bucket.Refuse(refusing(404, "NoSuchBucket"))
	w.queue.Send(event("docs", "k0001"))
	w.wait("the problem", func() bool { return fault(w.in.Hindrance()).Code == "server_unreachable" })
	w.holds(want)
	w.bucket.Refuse(nil)
	w.bucket.Put("k0001", "after")
	want["k0001"] = "after"
	w.reaches(want)
}

// I10: most of the bucket gone is a data guard, before any delete.
func TestTheGuardRefusesAMassDelete(t *testing.T) {
	for _, c := range []struct {
		name          string
		objects, gone int
		maxDelete     float64
		accept, trips bool
	}{
		{"more than half, a hundred", 199, 100, 0, false, true},
		{"half", 200, 100, 0, false, false},
		{"ninety-nine of a hundred", 100, 99, 0, false, false},
		{"all", 400, 400, 0, false, true},
		{"all, accepted", 1100, 1100, 0, true, false},
		{"all, where all may go", 150, 150, 1, false, false},
		{"a third, where a fifth may go", 300, 100, 0.2, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.options.MaxDelete = c.maxDelete
			w.many(c.objects)
			w.load()
			for i := range c.gone {
				w.bucket.Delete(fmt.Sprintf("k%04d", i))
			}
			w.bucket.Put("new", "new")
			err := w.once(func(s *cdc.Start) { s.AcceptDeletes = c.accept })
			if !c.trips {
				w.must(err)
				w.holds(w.bucket.Texts(""))
				return
			}
			if !errors.Is(err, cdc.ErrGap) || fault(err).Code != "data_guard" || !strings.Contains(fault(err).Hint, "--accept-deletes") ||
				!strings.Contains(fault(err).Error(), fmt.Sprintf("%d of %d", c.gone, c.objects)) {
				t.Errorf("the run ends with %v", err)
			}
			for _, p := range w.in.Puts() {
				if p.Op == cdc.Delete {
					t.Errorf("%s is deleted", p.Key.Text())
				}
			}
			w.load(func(s *cdc.Start) { s.AcceptDeletes = true })
			w.holds(w.bucket.Texts(""))
		})
	}
}

// A run whose first pass is over lives through the guard, shows it, and forgets it when the objects are back.
func TestTheGuardOfAServiceIsAProblem(t *testing.T) {
	w := newWorld(t)
	w.options.Notify.Poll = 10 * time.Millisecond
	want := maps.Clone(w.many(200))
	w.follow()
	for key := range want {
		w.bucket.Delete(key)
	}
	w.wait("the guard", func() bool { return fault(w.in.Hindrance()).Code == "data_guard" })
	w.holds(want)
	for key, text := range want {
		w.bucket.Put(key, text)
	}
	w.wait("the end of the guard", func() bool { return w.in.Hindrance() == nil })
	w.holds(want)
}

// Deletes that are told are meant.
func TestTheGuardLetsToldDeletesPass(t *testing.T) {
	w := newWorld(t)
	w.hear()
	w.many(300)
	w.follow()
	for key := range w.bucket.Texts("") {
		w.must(w.Delete(key))
	}
	w.reaches(map[string]string{})
	w.until("the queue to be emptied", func() bool { return w.queue.Len() == 0 })
}

// What a new prefix leaves out is unwanted, and not gone: the guard has nothing to say.
func TestAPrefixThatIsNarrowedTakesRowsAway(t *testing.T) {
	w := newWorld(t)
	for i := range 300 {
		w.bucket.Put(fmt.Sprintf("d%d/%03d", i%3, i), "x")
	}
	w.bucket.Put("d", "x")
	w.load()
	w.options.Prefix = "d1/"
	w.load()
	w.holds(w.bucket.Texts("d1/"))
}
