package s3_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/s3"
)

// free is an address that nobody listens at.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func post(t *testing.T, addr, token, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// minio is a notification as MinIO posts it.
func minio(key string) string {
	return fmt.Sprintf(`{"EventName":"s3:ObjectCreated:Put","Key":"docs/%s",%s`, key, strings.Replace(event("docs", key)[1:], "aws:s3", "minio:s3", 1))
}

func TestNotificationsArePosted(t *testing.T) {
	w := newWorld(t)
	addr := free(t)
	w.options.Notify.Webhook = s3.Webhook{Addr: addr, Token: "secret"}
	w.follow()
	w.bucket.Put("new key+1", "1")
	for _, c := range []struct {
		name, token, body string
		want              int
	}{
		{"without a token", "", minio("new key+1"), 401},
		{"with a wrong token", "secrets", minio("new key+1"), 401},
		{"garbage", "secret", "{garbage", 400},
		{"too much", "secret", strings.Repeat(" ", 2<<20), 413},
		{"of another bucket", "secret", event("other", "x"), 200},
		{"a notification", "secret", minio("new key+1"), 200},
	} {
		if got := post(t, addr, c.token, c.body); got != c.want {
			t.Errorf("%s: %d, not %d", c.name, got, c.want)
		}
	}
	w.reaches(map[string]string{"new key+1": "1"})
	w.bucket.Delete("new key+1")
	if got := post(t, addr, "secret", minio("new key+1")); got != 200 {
		t.Errorf("a second notification: %d", got)
	}
	w.reaches(map[string]string{})
	want := &cdc.Notices{Taken: 2, Unreadable: 1, Foreign: 1}
	if diff := cmp.Diff(want, w.source.Report().Notices); diff != "" {
		t.Errorf("what the source reports of notifications (-want +got):\n%s", diff)
	}
	if listed, err := s3.New(s3.Options{Bucket: "b"}); err != nil || listed.Report().Notices != nil {
		t.Errorf("a source that nobody tells of changes reports %v: %v", listed.Report().Notices, err)
	}
}

// I9: who posts faster than can be taken is told so.
func TestAWebhookThatIsFullSaysSo(t *testing.T) {
	w := newWorld(t)
	addr := free(t)
	w.options.Notify.Webhook = s3.Webhook{Addr: addr}
	w.follow()
	w.in.Hold()
	refused, taken := 0, int64(0)
	send := func(key string) int {
		code := post(t, addr, "", minio(key))
		switch code {
		case 200:
			taken++
		case 503:
			refused++
		}
		return code
	}
	for i := range 400 {
		key := fmt.Sprint("k", i)
		w.bucket.Put(key, "x")
		send(key)
	}
	if refused == 0 {
		t.Error("nothing is refused while the run waits")
	}
	w.in.Release()
	w.until("room", func() bool { return send("k399") == 200 })
	if got := w.source.Report().Notices; got.Taken != taken {
		t.Errorf("%d are counted as taken, and %d were; %d were refused", got.Taken, taken, refused)
	}
	w.options.Notify = s3.Notify{}
	w.halt()
	w.load()
	w.holds(w.bucket.Texts(""))
}

func TestAnAddressThatIsTakenEndsTheRun(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	defer l.Close()
	w.options.Notify.Webhook = s3.Webhook{Addr: l.Addr().String()}
	source, err := s3.New(w.options)
	w.must(err)
	if err := source.Run(t.Context(), w.in.Start(), w.in); fault(err).Code != "address_in_use" {
		t.Errorf("the run ends with %v", err)
	}
}
