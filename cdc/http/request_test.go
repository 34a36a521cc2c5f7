package http_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/http"
)

const token = "correct-horse-battery-staple"

// counter is a source that runs over an inlet of the test's.
type counter struct {
	t      *testing.T
	source *http.Source
	inlet  *cdctest.Inlet
	client *nethttp.Client
	stop   context.CancelFunc
	work   sync.WaitGroup
	err    error
}

// prices is a collection with columns of several types.
func prices() http.Options {
	return http.Options{Listen: "127.0.0.1:0", Key: []string{"shop", "id"}, Schema: []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.Int64}}, {Name: "shop", Type: cdc.Type{Kind: cdc.String}},
		{Name: "price", Type: cdc.Type{Kind: cdc.Decimal}}, {Name: "note", Type: cdc.Type{Kind: cdc.String, Nullable: true}}}}
}

// opened is the inlet of a source that tells when it listens.
type opened struct {
	cdc.Inlet
	problems chan error // as many as a test looks at
}

func (o *opened) Problem(err error) {
	select {
	case o.problems <- err:
	default:
	}
	o.Inlet.Problem(err)
}

func begin(t *testing.T, o http.Options, in *cdctest.Inlet) *counter {
	t.Helper()
	s, err := http.New(o)
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{t: t, source: s, inlet: in, client: &nethttp.Client{Transport: &nethttp.Transport{}}}
	ctx, stop := context.WithCancel(t.Context())
	c.stop = stop
	told := in.Position()
	c.work.Go(func() { c.err = s.Run(ctx, in.Start(), in) })
	c.work.Go(func() {
		for in.Wait(ctx, "a durable position", func() bool { return in.Position() != told }) == nil {
			told = in.Position()
			if err := s.Confirm(ctx, told); err != nil {
				t.Error(err)
			}
		}
	})
	t.Cleanup(c.end)
	if err := in.Wait(t.Context(), "a source that listens", func() bool { return in.Caught() > 0 }); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *counter) end() {
	c.stop()
	c.work.Wait()
	c.client.CloseIdleConnections()
}

// waiting pushes a row that is taken up and not answered yet; work ends with the answer.
func (c *counter) waiting() (answered <-chan reply, work *sync.WaitGroup) {
	c.t.Helper()
	answers := make(chan reply, 1)
	request := c.request(nethttp.MethodPost, `{"id":1,"shop":"a","price":1}`)
	work = &sync.WaitGroup{}
	work.Go(func() { answers <- c.ask(request) })
	if err := c.inlet.Wait(c.t.Context(), "the push", func() bool { return len(c.inlet.Puts()) == 1 }); err != nil {
		c.t.Fatal(err)
	}
	return answers, work
}

// reply is what a request was answered.
type reply struct {
	Status int
	Header nethttp.Header
	OK     bool `json:"ok"`
	Data   struct {
		Changes  int    `json:"changes"`
		Position string `json:"position"`
		Repeated bool   `json:"repeated"`
		Refused  int    `json:"refused_total"`
		Taken    int    `json:"taken_total"`
	} `json:"data"`
	Error struct {
		Code, Message, Hint string
		Element             int
	} `json:"error"`
}

func (c *counter) ask(r *nethttp.Request) reply {
	c.t.Helper()
	answer, err := c.client.Do(r)
	if err != nil {
		c.t.Fatalf("%s: %v", r.URL, err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	got := reply{Status: answer.StatusCode, Header: answer.Header}
	if r.Method != nethttp.MethodHead {
		if err := json.Unmarshal(text, &got); err != nil {
			c.t.Fatalf("%s is answered %q: %v", r.URL, text, err)
		}
	}
	if got.OK != (got.Status < 300) || !got.OK && (got.Error.Code == "" || got.Error.Message == "" || got.Error.Hint == "") {
		c.t.Errorf("%d is answered %s", got.Status, text)
	}
	return got
}

func (c *counter) request(method, body string, headers ...string) *nethttp.Request {
	c.t.Helper()
	r, err := nethttp.NewRequestWithContext(c.t.Context(), method, "http://"+c.source.Address()+"/", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	return r
}

func (c *counter) push(body string, headers ...string) reply {
	c.t.Helper()
	return c.ask(c.request(nethttp.MethodPost, body, headers...))
}

// changes are what was put, one line each.
func changes(in *cdctest.Inlet) []string {
	columns := prices().Schema
	var all []string
	for _, p := range in.Puts() {
		line := fmt.Sprintf("%s %s", p.Op, p.Key.Text())
		if p.After != nil {
			line += " {" + string(cdc.AppendFieldsJSON(nil, columns, p.After)) + "}"
		}
		all = append(all, line)
	}
	return all
}

func TestABodyIsTakenWholeOrNotAtAll(t *testing.T) {
	tests := []struct {
		name, body string
		kind       string // of the body; empty: JSON
		status     int
		code       string
		element    int
		says       string
		want       []string
	}{
		{name: "one object", body: `{"id":1,"shop":"a","price":"9.90"}`, status: 202, want: []string{`update a/1 {"id":1,"shop":"a","price":"9.90","note":null}`}},
		{name: "an array of upserts and deletes", body: ` [{"id":1,"shop":"a","price":1},{"_op":"delete","shop":"a","id":2},{"_op":"upsert","id":3,"shop":"b","price":0,"note":"x"}] `, status: 202,
			want: []string{`update a/1 {"id":1,"shop":"a","price":"1","note":null}`, `delete a/2`, `update b/3 {"id":3,"shop":"b","price":"0","note":"x"}`}},
		{name: "a line each", kind: "application/x-ndjson; charset=UTF-8", body: "{\"id\":1,\"shop\":\"a\",\"price\":1}\r\n\n{\"_op\":\"delete\",\"shop\":\"a\",\"id\":1}\n", status: 202,
			want: []string{`update a/1 {"id":1,"shop":"a","price":"1","note":null}`, `delete a/1`}},
		{name: "lines of the change log that a flow writes", kind: "application/jsonl", body: `{"_op":"upsert","_key":"a/1","id":1,"shop":"a","price":"2","note":"n","_version":7,"_source":"x"}` + "\n" +
			`{"_op":"delete","_key":"a/1","_version":8,"_source":"y"}`, status: 202,
			want: []string{`update a/1 {"id":1,"shop":"a","price":"2","note":"n"}`, `delete a/1`}},
		{name: "a delete with the whole row", body: `{"_op":"delete","id":1,"shop":"a","price":"unread"}`, status: 202, want: []string{`delete a/1`}},
		{name: "a name that is written with an escape", body: `{"\u005fop":"delete","id":1,"shop":"a"}`, status: 202, want: []string{`delete a/1`}},
		{name: "no element", body: `[]`, status: 202},
		{name: "no line", kind: "application/x-ndjson", body: "\n", status: 202},
		{name: "the second of three", body: `[{"id":1,"shop":"a","price":1},{"id":"x","shop":"a","price":1},{"id":3,"shop":"a","price":1}]`, status: 400, code: "bad_row", element: 2, says: "read column id"},
		{name: "the third line", kind: "application/x-ndjson", body: "{\"id\":1,\"shop\":\"a\",\"price\":1}\n\n{\"id\":1}\n", status: 400, code: "bad_row", element: 3, says: "line 3: read column shop"},
		{name: "a column that is not there", body: `{"id":1,"shop":"a","price":1,"prize":2}`, status: 400, code: "bad_row", element: 1, says: `no column "prize"`},
		{name: "a column that is not there, of a delete", body: `{"_op":"delete","id":1,"shop":"a","prize":2}`, status: 400, code: "bad_row", element: 1, says: `no column "prize"`},
		{name: "a delete without the whole key", body: `{"_op":"delete","id":1}`, status: 400, code: "bad_row", element: 1, says: "read column shop"},
		{name: "a delete of a key that is none", body: `{"_op":"delete","_key":"a"}`, status: 400, code: "bad_row", element: 1, says: "read _key"},
		{name: "a key that is null", body: `{"id":1,"shop":null,"price":1}`, status: 400, code: "bad_row", element: 1, says: "read column shop"},
		{name: "a word that says nothing", body: `{"_op":"truncate","id":1,"shop":"a"}`, status: 400, code: "bad_row", element: 1, says: "neither upsert nor delete"},
		{name: "a word that is no text", body: `{"_op":7,"id":1,"shop":"a"}`, status: 400, code: "bad_row", element: 1, says: "read _op"},
		{name: "no JSON", body: `{"id":1`, status: 400, code: "bad_row", element: 1, says: "read row"},
		{name: "nothing", body: ``, status: 400, code: "bad_row", element: 1, says: "read row"},
		{name: "an array that breaks off", body: `[{"id":1,"shop":"a","price":1},`, status: 400, code: "bad_row", element: 2},
		{name: "something behind the array", body: `[] []`, status: 400, code: "bad_body", says: "follows the array"},
		{name: "a number", body: `7`, status: 400, code: "bad_row", element: 1},
		{name: "no UTF-8", body: "{\"id\":1,\"shop\":\"\xff\",\"price\":1}", status: 400, code: "bad_body", says: "UTF-8"},
		{name: "too many elements", body: "[" + strings.Repeat(`{"id":1,"shop":"a","price":1},`, 10_000) + `{"id":1,"shop":"a","price":1}]`, status: 413, code: "too_large"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := cdctest.NewInlet()
			c := begin(t, prices(), in)
			var headers []string
			if test.kind != "" {
				headers = []string{"Content-Type", test.kind}
			}
			got := c.push(test.body, headers...)
			if got.Status != test.status || got.Error.Code != test.code || got.Error.Element != test.element || !strings.Contains(got.Error.Message, test.says) {
				t.Errorf("it is answered %d %+v", got.Status, got.Error)
			}
			if diff := cmp.Diff(test.want, changes(in)); diff != "" {
				t.Errorf("what was taken differs (-want +got):\n%s", diff)
			}
			if test.status == 202 && got.Data.Changes != len(test.want) {
				t.Errorf("%d changes are told of", got.Data.Changes)
			}
			txns := map[cdc.Position]bool{}
			for _, p := range in.Puts() {
				txns[p.Position] = true
			}
			if len(txns) > 1 { // I11
				t.Errorf("the push is %d transactions", len(txns))
			}
		})
	}
}

func TestWhatIsNoPushIsRefused(t *testing.T) {
	open, closed := prices(), prices()
	closed.Token = token
	closed.MaxBody = 100
	row := `{"id":1,"shop":"a","price":1}`
	tests := []struct {
		name    string
		options http.Options
		method  string
		body    string
		headers []string
		status  int
		code    string
	}{
		{"with the token", closed, "POST", row, []string{"Authorization", "Bearer " + token}, 202, ""},
		{"with the token, the scheme in small letters", closed, "POST", row, []string{"Authorization", "bearer " + token}, 202, ""},
		{"without the token", closed, "POST", row, nil, 401, "unauthorized"},
		{"with another token", closed, "POST", row, []string{"Authorization", "Bearer " + token + "r"}, 401, "unauthorized"},
		{"with the token as a password", closed, "POST", row, []string{"Authorization", "Basic " + token}, 401, "unauthorized"},
		{"a question without the token", closed, "GET", "", nil, 401, "unauthorized"},
		{"a body that is too large", closed, "POST", row + strings.Repeat(" ", 100), []string{"Authorization", "Bearer " + token}, 413, "too_large"},
		{"another method", open, "PUT", row, nil, 405, "method_not_allowed"},
		{"a form", open, "POST", row, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"},
		{"no type", open, "POST", row, []string{"Content-Type", ""}, 415, "unsupported_media_type"},
		{"another charset", open, "POST", row, []string{"Content-Type", "application/json; charset=latin1"}, 415, "unsupported_media_type"},
		{"a compressed body", open, "POST", row, []string{"Content-Encoding", "gzip"}, 415, "unsupported_media_type"},
		{"from a page of another site", open, "POST", row, []string{"Origin", "https://evil.example"}, 403, "forbidden"},
		{"by a name that somebody lets point here", open, "POST", row, []string{"Host", "evil.example:80"}, 403, "forbidden"},
		{"by the name of this machine", open, "POST", row, []string{"Host", "[::1]:80"}, 202, ""},
		{"a sequence of nobody", open, "POST", row, []string{"Freshet-Sequence", "1"}, 400, "bad_sequence"},
		{"a producer without a sequence", open, "POST", row, []string{"Freshet-Producer", "p"}, 400, "bad_sequence"},
		{"a sequence that is no number", open, "POST", row, []string{"Freshet-Producer", "p", "Freshet-Sequence", "-1"}, 400, "bad_sequence"},
		{"a producer with a long name", open, "POST", row, []string{"Freshet-Producer", strings.Repeat("p", 65), "Freshet-Sequence", "1"}, 400, "bad_sequence"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := cdctest.NewInlet()
			c := begin(t, test.options, in)
			got := c.ask(c.request(test.method, test.body, test.headers...))
			if got.Status != test.status || got.Error.Code != test.code {
				t.Errorf("it is answered %d %+v", got.Status, got.Error)
			}
			if taken := len(in.Puts()) > 0; taken != (test.status == 202) {
				t.Errorf("changes were taken: %v", taken)
			}
			if strings.Contains(fmt.Sprint(got), token) {
				t.Errorf("the answer shows the token: %+v", got)
			}
		})
	}
}

func TestABodyWithoutALengthIsBounded(t *testing.T) {
	in := cdctest.NewInlet()
	o := prices()
	o.MaxBody = 1000
	c := begin(t, o, in)
	r, err := nethttp.NewRequestWithContext(t.Context(), nethttp.MethodPost, "http://"+c.source.Address()+"/", io.MultiReader(strings.NewReader(strings.Repeat(" ", 5000)), strings.NewReader("{}")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if got := c.ask(r); got.Status != nethttp.StatusRequestEntityTooLarge {
		t.Errorf("it is answered %+v", got)
	}
	for range 8 { // the room was given back
		if got := c.push(`{"id":1,"shop":"a","price":1}`); got.Status != nethttp.StatusAccepted {
			t.Fatalf("afterwards it is answered %+v", got)
		}
	}
}

// Whoever sends everything before it looks for an answer finds one.
func TestALargeBodyIsReadBeforeItIsRefused(t *testing.T) {
	for _, length := range []string{"Content-Length: 9000000", "Transfer-Encoding: chunked"} {
		t.Run(length, func(t *testing.T) {
			c := begin(t, prices(), cdctest.NewInlet())
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", c.source.Address())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			body := strings.Repeat(" ", 9_000_000)
			if strings.HasPrefix(length, "Transfer") {
				body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
			}
			if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: "+c.source.Address()+"\r\nContent-Type: application/json\r\n"+length+"\r\n\r\n"+body); err != nil {
				t.Fatalf("the body is not taken: %v", err)
			}
			answer, err := nethttp.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("there is no answer: %v", err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != nethttp.StatusRequestEntityTooLarge {
				t.Errorf("it is answered %s", answer.Status)
			}
		})
	}
}
