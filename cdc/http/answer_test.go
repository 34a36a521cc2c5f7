package http_test

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/http"
)

// I1: the answer comes after the position was confirmed, and not before.
func TestAPushIsAnsweredOnceItIsDurable(t *testing.T) {
	in := cdctest.NewInlet()
	c := begin(t, prices(), in)
	in.Defer()
	answered, work := c.waiting()
	select {
	case got := <-answered:
		t.Fatalf("it is answered before it is durable: %+v", got)
	default:
	}
	in.Durable(in.Last())
	work.Wait()
	if got := <-answered; got.Status != nethttp.StatusAccepted || got.Data.Changes != 1 || got.Data.Position != "1" {
		t.Errorf("it is answered %+v", got)
	}
	if p, err := c.source.ParsePosition("1"); err != nil || in.Position() < p || c.source.Describe(in.Position()) != "1" {
		t.Errorf("position 1 is %x (%v), %x is durable", p, err, in.Position())
	}
}

func TestWhatIsNotDurableInTimeIsPushedAgain(t *testing.T) {
	in := cdctest.NewInlet()
	o := prices()
	o.Wait = time.Millisecond
	c := begin(t, o, in)
	in.Defer()
	if got := c.push(`{"id":1,"shop":"a","price":1}`); got.Status != nethttp.StatusServiceUnavailable || got.Error.Code != "not_durable" || got.Header.Get("Retry-After") == "" {
		t.Errorf("it is answered %+v", got)
	}
}

// A request that waits while the flow stops hears that nothing is known, and the next process takes it.
func TestAStopAnswersThoseWhoWait(t *testing.T) {
	in := cdctest.NewInlet()
	c := begin(t, prices(), in)
	in.Defer()
	answered, work := c.waiting()
	c.end()
	work.Wait()
	if got := <-answered; got.Status != nethttp.StatusServiceUnavailable || got.Error.Code != "stopping" {
		t.Errorf("it is answered %+v", got)
	}
	if c.err != nil {
		t.Errorf("the run ends with %v", c.err)
	}
	next := in.Crash()
	again := begin(t, prices(), next)
	if got := again.push(`{"id":1,"shop":"a","price":1}`); got.Status != nethttp.StatusAccepted || got.Data.Position != "1" {
		t.Errorf("pushed again it is answered %+v", got)
	}
}

// I9: while the flow takes nothing there is room for four bodies, and the others are turned away.
func TestWithoutCreditRequestsAreTurnedAway(t *testing.T) {
	in := cdctest.NewInlet()
	o := prices()
	o.MaxBody = 1000
	c := begin(t, o, in)
	in.Hold()
	body := `{"id":1,"shop":"a","price":1,"note":"` + strings.Repeat("x", 900) + `"}`
	var work sync.WaitGroup
	answers := make(chan int, 100)
	for range 10 {
		request := c.request(nethttp.MethodPost, body)
		work.Go(func() {
			got := c.ask(request)
			if got.Status == nethttp.StatusTooManyRequests && (got.Header.Get("Retry-After") == "" || got.Error.Code != "busy") {
				t.Errorf("it is answered %+v", got)
			}
			answers <- got.Status
		})
	}
	turned := 0
	for range 6 {
		if status := <-answers; status == nethttp.StatusTooManyRequests {
			turned++
		}
	}
	if turned != 6 {
		t.Errorf("%d of 10 are turned away while there is room for 4", turned)
	}
	in.Release()
	work.Wait()
	close(answers)
	for status := range answers {
		if status != nethttp.StatusAccepted {
			t.Errorf("with credit again one is answered %d", status)
		}
	}
	if got := c.push(body); got.Status != nethttp.StatusAccepted {
		t.Errorf("afterwards it is answered %+v", got)
	}
}

// A push that its producer sends again is taken once, also by the process after a crash.
func TestAProducersPushesAreTakenOnce(t *testing.T) {
	in := cdctest.NewInlet()
	c := begin(t, prices(), in)
	row := func(n int) string { return fmt.Sprintf(`{"id":1,"shop":"a","price":%d}`, n) }
	numbered := func(c *counter, n int) reply {
		return c.push(row(n), "Freshet-Producer", "orders", "Freshet-Sequence", fmt.Sprint(n))
	}
	for n := 1; n <= 3; n++ {
		if got := numbered(c, n); got.Status != nethttp.StatusAccepted || got.Data.Repeated || got.Data.Position != fmt.Sprint(n) {
			t.Fatalf("push %d is answered %+v", n, got)
		}
	}
	if got := numbered(c, 2); got.Status != nethttp.StatusAccepted || !got.Data.Repeated || got.Data.Changes != 0 || got.Data.Position != "3" {
		t.Errorf("push 2, sent again, is answered %+v", got)
	}
	c.end()
	next := in.Crash()
	again := begin(t, prices(), next)
	if got := numbered(again, 3); !got.Data.Repeated {
		t.Errorf("after a restart push 3 is answered %+v", got)
	}
	if got := numbered(again, 4); got.Data.Repeated || got.Data.Position != "4" {
		t.Errorf("after a restart push 4 is answered %+v", got)
	}
	if got := again.push(row(2), "Freshet-Producer", "others", "Freshet-Sequence", "2"); got.Data.Repeated {
		t.Errorf("another producer's push is answered %+v", got)
	}
	if diff := cmp.Diff([]string{`update a/1 {"id":1,"shop":"a","price":"4","note":null}`, `update a/1 {"id":1,"shop":"a","price":"2","note":null}`}, changes(next)); diff != "" {
		t.Errorf("what was taken differs (-want +got):\n%s", diff)
	}
}

func TestTheSourceTellsHowItStands(t *testing.T) {
	c := begin(t, prices(), cdctest.NewInlet())
	c.push(`{"id":1,"shop":"a","price":1}`)
	c.push(`{"id":1}`)
	if got := c.ask(c.request(nethttp.MethodGet, "")); got.Status != nethttp.StatusOK || got.Data.Taken != 1 || got.Data.Refused != 1 || got.Data.Position != "1" {
		t.Errorf("it is answered %+v", got)
	}
}

// Whoever starts a flow sees that another program has the address, and the source begins once it is free.
func TestAnAddressThatIsTakenIsWaitedFor(t *testing.T) {
	first := begin(t, prices(), cdctest.NewInlet())
	o := prices()
	o.Listen = first.source.Address()
	s, err := http.New(o)
	if err != nil {
		t.Fatal(err)
	}
	in := &opened{Inlet: cdctest.NewInlet(), problems: make(chan error, 2)}
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		if err := s.Run(ctx, cdc.Start{}, in); err != nil {
			t.Errorf("the run ends with %v", err)
		}
	})
	var fault *cdc.SourceError
	if problem := <-in.problems; !errors.As(problem, &fault) || fault.Code != "address_in_use" {
		t.Errorf("the problem is %v", problem)
	}
	first.end()
	for problem := range in.problems {
		if problem == nil {
			break
		}
	}
	stop()
	work.Wait()
}

// What doctor asks: whether the address is free, or this very source listens there already.
func TestAProbeTellsWhoListens(t *testing.T) {
	o := prices()
	c := begin(t, o, cdctest.NewInlet())
	o.Listen = c.source.Address()
	probe := func(o http.Options) (string, error) {
		s, err := http.New(o)
		if err != nil {
			t.Fatal(err)
		}
		return s.Probe(t.Context())
	}
	c.push(`{"id":1,"shop":"a","price":1}`)
	if said, err := probe(o); err != nil || !strings.Contains(said, "position 1") {
		t.Errorf("while it listens it says %q: %v", said, err)
	}
	other := o
	other.Key = []string{"id"}
	var fault *cdc.SourceError
	if said, err := probe(other); !errors.As(err, &fault) || fault.Code != "address_in_use" {
		t.Errorf("another source says %q: %v", said, err)
	}
	c.end()
	if said, err := probe(o); err != nil || !strings.Contains(said, "free") {
		t.Errorf("of a free address it says %q: %v", said, err)
	}
	o.Listen, o.Token = "203.0.113.1:1", token
	if said, err := probe(o); !errors.As(err, &fault) || fault.Code != "address_unusable" {
		t.Errorf("of an address of another machine it says %q: %v", said, err)
	}
}
