package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/engine"
)

// reader takes what a feed sends.
type reader struct {
	*httptest.ResponseRecorder
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *reader) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

// patch is what a page is told to renew.
type patch struct {
	Instance               string
	Text, Mood, Line, Part map[string]string
}

// taken are the patches that came since the last call.
func (r *reader) taken(t *testing.T) []patch {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []patch
	for line := range strings.Lines(r.text.String()) {
		data, ok := strings.CutPrefix(line, "patch ")
		if !ok {
			t.Fatalf("the feed sends %q", line)
		}
		var p patch
		if err := json.Unmarshal([]byte(data), &p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	r.text.Reset()
	return all
}

// listen follows a feed until the test has what it wants.
func listen(t *testing.T, h http.Handler, screen string) (r *reader, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r = &reader{ResponseRecorder: httptest.NewRecorder()}
	var running sync.WaitGroup
	running.Go(func() {
		h.ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/feed?screen="+screen, nil).WithContext(ctx))
	})
	return r, func() {
		cancel()
		running.Wait()
	}
}

func TestFeedSendsWhatDiffersAtMostFourTimesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.status.Steps = nil // of what waits without moving more is said after a while
		s.status.Sinks = map[string]engine.SinkStatus{"index": {Rows: 2900}}
		_, h := s.pages(console.Options{})
		r, stop := listen(t, h, "freshness")
		defer stop()
		synctest.Wait()
		first := r.taken(t)
		if len(first) != 1 || first[0].Instance == "" || first[0].Text["sink.index.rows"] != "2,900" || first[0].Mood["flow"] != "bad" ||
			!strings.Contains(first[0].Part["reasons"], "A model does not answer") {
			t.Fatalf("the first patches are %+v", first)
		}
		// Nothing happens, and nothing is said but that rates are known now.
		time.Sleep(3 * time.Second)
		r.taken(t)
		time.Sleep(10 * time.Second)
		for _, p := range r.taken(t) { // but for the line of the last minutes, which moves on
			if len(p.Text)+len(p.Mood)+len(p.Part) > 0 {
				t.Errorf("without a change %+v is sent", p)
			}
		}
		// However often rows are written, the page hears four times a second, and in the end what is true.
		for i := range int64(1000) {
			s.mu.Lock()
			x := s.status.Sinks["index"]
			x.Rows = 3000 + i
			s.status.Sinks = map[string]engine.SinkStatus{"index": x}
			s.mu.Unlock()
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		var more []patch
		for _, p := range r.taken(t) {
			if len(p.Text) > 0 {
				more = append(more, p)
			}
		}
		if len(more) < 4 || len(more) > 5 {
			t.Fatalf("%d patches in a second of changes", len(more))
		}
		if last := more[len(more)-1]; last.Text["sink.index.rows"] != "3,999" || last.Text["sink.index.passed"] != "3,999 rows" || len(last.Text) != 2 || last.Instance != "" {
			t.Errorf("the last patch is %+v", last)
		}
	})
}

func TestFeedTellsOfChangesOnceHoweverManyPagesAreOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		_, h := s.pages(console.Options{})
		one, stopOne := listen(t, h, "freshness")
		defer stopOne()
		two, stopTwo := listen(t, h, "freshness")
		defer stopTwo()
		synctest.Wait()
		one.taken(t)
		two.taken(t)
		change := engine.ChangeEvent{Source: "docs", Key: markup, Epoch: 9, Calls: 2, Upserts: 3, FreshMS: 38}
		s.changes <- change // each page's own follower hears of it
		s.changes <- change
		time.Sleep(time.Second)
		for _, r := range []*reader{one, two} {
			list := ""
			for _, p := range r.taken(t) {
				if text, ok := p.Part["changes"]; ok {
					list = text
				}
			}
			if n := strings.Count(list, "<li>"); n != 1 || !strings.Contains(list, "3 rows written, 0 removed, 2 calls") || !strings.Contains(list, "38 ms") || strings.Contains(list, "<img") {
				t.Errorf("the list of changes is %s", list)
			}
		}
	})
}

func TestFeedsAreBoundedAndEndWithTheirReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := newShop().pages(console.Options{})
		var stops []func()
		for range 64 {
			_, stop := listen(t, h, "flow")
			stops = append(stops, stop)
		}
		synctest.Wait()
		if w := visit(t, h, "/feed?screen=flow"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("one page too many: %d", w.Code)
		}
		for _, stop := range stops {
			stop()
		}
		r, stop := listen(t, h, "models")
		defer stop()
		synctest.Wait()
		if first := r.taken(t); len(first) != 1 || !strings.Contains(first[0].Part["hindrances"], "no quota left") {
			t.Errorf("after the others have gone: %+v", first)
		}
	})
}

func TestHistoryIsKeptWhileTheFlowRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		c, h := s.pages(console.Options{})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Errorf("run: %v", err)
			}
		})
		synctest.Wait()
		s.mu.Lock()
		s.status.Sources = map[string]engine.SourceStatus{"docs": {State: "live", ChangesTotal: 1600}}
		s.mu.Unlock()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if page := visit(t, h, "/").Body.String(); !strings.Contains(page, `data-text="source.docs.rate">10/s<`) {
			t.Errorf("a page that nobody had open shows no rate: %s", page)
		}
		stop()
		running.Wait()
	})
}
