package s3

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
)

// The forms below are those that the documentation of AWS and MinIO shows.
const (
	formS3 = `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-west-2","eventTime":"1970-01-01T00:00:00.000Z",
"eventName":"ObjectCreated:Put","userIdentity":{"principalId":"AIDAJDPLRKLG7UEXAMPLE"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},
"responseElements":{"x-amz-request-id":"C3D13FE58DE4C810","x-amz-id-2":"FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD"},
"s3":{"s3SchemaVersion":"1.0","configurationId":"testConfigRule","bucket":{"name":"docs","ownerIdentity":{"principalId":"A3NL1KOZZKExample"},"arn":"arn:aws:s3:::docs"},
"object":{"key":"a+b%2B%C3%BC/HappyFace.jpg","size":1024,"eTag":"d41d8cd98f00b204e9800998ecf8427e","versionId":"096fKKXTRTtl3on89fVO.nfljtsv6qko","sequencer":"0055AED6DCD90281E5"}}}]}`
	formLater = `{"Records":[{"eventVersion":"2.6","eventSource":"aws:s3","eventName":"ObjectRemoved:DeleteMarkerCreated","s3":{"bucket":{"name":"docs"},
"object":{"key":"k","versionId":"v","sequencer":"00"}},"glacierEventData":{}},{"eventVersion":"2.3","eventSource":"aws:s3","eventName":"ObjectTagging:Put","s3":{"bucket":{"name":"docs"},"object":{"key":"l","sequencer":"01"}}}]}`
	formBridge = `{"version":"0","id":"17793124-05d4-b198-2fde-7ededc63b103","detail-type":"Object Created","source":"aws.s3","account":"111122223333",
"time":"2021-11-12T00:00:00Z","region":"ca-central-1","resources":["arn:aws:s3:::docs"],"detail":{"version":"0","bucket":{"name":"docs"},
"object":{"key":"a+b%2B ü","size":5,"etag":"b1946ac92492d2347c6235b4d2611184","version-id":"IYV3p45BT0ac8hjHg1houSdS1a.Mro8e","sequencer":"617f08299329d189"},
"request-id":"N4N7GDK58NMKJ12R","requester":"123456789012","source-ip-address":"1.2.3.4","reason":"PutObject"}}`
	formMinIO = `{"EventName":"s3:ObjectCreated:Put","Key":"docs/new key+1","Records":[{"eventVersion":"2.0","eventSource":"minio:s3","awsRegion":"",
"eventTime":"2021-01-01T00:00:00.000Z","eventName":"s3:ObjectCreated:Put","s3":{"s3SchemaVersion":"1.0","configurationId":"Config",
"bucket":{"name":"docs","arn":"arn:aws:s3:::docs"},"object":{"key":"new+key%2B1","size":2,"eTag":"e","sequencer":"17D0F2"}},"source":{"host":"127.0.0.1"}}]}`
	formTest = `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2014-10-13T15:57:02.089Z","Bucket":"docs","RequestId":"5582815E1AEA5ADF"}`
)

func inSNS(message string) string {
	text, err := json.Marshal(map[string]string{"Type": "Notification", "MessageId": "6f1c", "TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Message": message})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestNotificationsAreReadInAllTheirForms(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []hint
		fail bool
	}{
		"S3's own, its key encoded once":       {body: formS3, want: []hint{{"docs", "a b+ü/HappyFace.jpg", "0055AED6DCD90281E5"}}},
		"later minor versions, two records":    {body: formLater, want: []hint{{"docs", "k", "00"}, {"docs", "l", ""}}},
		"in an envelope of SNS":                {body: inSNS(formS3), want: []hint{{"docs", "a b+ü/HappyFace.jpg", "0055AED6DCD90281E5"}}},
		"EventBridge's, its key as it is":      {body: formBridge, want: []hint{{"docs", "a+b%2B ü", "617f08299329d189"}}},
		"EventBridge's in an envelope of SNS":  {body: inSNS(formBridge), want: []hint{{"docs", "a+b%2B ü", "617f08299329d189"}}},
		"MinIO's, whose sequencers count time": {body: formMinIO, want: []hint{{"docs", "new key+1", ""}}},
		"a test, when a bucket is connected":   {body: formTest},
		"the same by SNS":                      {body: inSNS(formTest)},
		"no records":                           {body: `{"Records":[]}`, want: []hint{}},
		"SNS asks to be confirmed":             {body: `{"Type":"SubscriptionConfirmation","SubscribeURL":"http://169.254.169.254/"}`},
		"another major version":                {body: strings.Replace(formS3, `"2.1"`, `"3.0"`, 1), fail: true},
		"a version without a number":           {body: strings.Replace(formS3, `"2.1"`, `""`, 1), fail: true},
		"of another service":                   {body: strings.Replace(formS3, "aws:s3", "aws:ses", 1), fail: true},
		"EventBridge speaks of something else": {body: strings.Replace(formBridge, "aws.s3", "aws.ec2", 1), fail: true},
		"a key that is badly encoded":          {body: strings.Replace(formS3, "a+b%2B", "%zz", 1), fail: true},
		"envelopes without end":                {body: inSNS(inSNS(inSNS(inSNS(formS3)))), fail: true},
		"no notification":                      {body: `{"hello":"world"}`, fail: true},
		"no object":                            {body: `[1]`, fail: true},
		"no JSON":                              {body: `{garbage`, fail: true},
		"nothing":                              {body: ``, fail: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decode([]byte(c.body))
			if (err != nil) != c.fail {
				t.Fatalf("it ends with %v", err)
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(hint{})); diff != "" {
				t.Errorf("hints (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, form := range []string{formS3, formLater, formBridge, formMinIO, formTest, inSNS(formS3), inSNS(inSNS(formBridge)), "", "{}", "null"} {
		f.Add([]byte(form))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		hints, err := decode(body)
		if err != nil && hints != nil {
			t.Error("a fault has hints")
		}
		if len(hints) > len(body)/2+1 {
			t.Errorf("%d bytes give %d hints", len(body), len(hints))
		}
		s := sieve{bucket: "docs"}
		keys, err := s.keys(body)
		for _, key := range keys {
			if key == "" || !utf8.ValidString(key) {
				t.Errorf("the key %q can be that of no row", key)
			}
		}
		if n := s.tally(); err != nil && n.Unreadable != 1 {
			t.Errorf("what cannot be read is counted %d times", n.Unreadable)
		}
	})
}

// What a form encodes once is decoded once, whatever is in it.
func FuzzKeys(f *testing.F) {
	for _, key := range []string{"a b", "plus+plus", "pct%2Bx", "50%", "ü/日本 語", "//double", "trail/", "../x", strings.Repeat("x", 1024), "\x01", `"\`} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if !utf8.ValidString(key) || key == "" {
			t.Skip()
		}
		quoted, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{
			fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","s3":{"bucket":{"name":"b"},"object":{"key":%q}}}]}`, url.QueryEscape(key)),
			fmt.Sprintf(`{"source":"aws.s3","detail":{"bucket":{"name":"b"},"object":{"key":%s}}}`, quoted),
		} {
			hints, err := decode([]byte(body))
			if err != nil || len(hints) != 1 || hints[0].key != key {
				t.Errorf("%q is read as %v: %v", key, hints, err)
			}
		}
	})
}

func TestSequencersOrderTheHintsOfOneKey(t *testing.T) {
	var s sequencers
	for i, c := range []struct {
		key, sequencer string
		news           bool
	}{
		{"a", "0055AED6DCD90281E5", true},
		{"a", "0055AED6DCD90281E6", true},
		{"a", "0055AED6DCD90281E5", false},       // late
		{"b", "0055AED6DCD90281E5", true},        // of another key
		{"a", "0055aed6dcd90281e6", true},        // twice, which costs a look
		{"a", "55AED6DCD90281E4", false},         // shorter, so that zeros are at its left
		{"a", "0155AED6DCD90281E400", true},      // longer and greater
		{"a", "", true},                          // it has none
		{"a", "not hexadecimal", true},           // nor this
		{"a", strings.Repeat("F", 65), true},     // nor this
		{"a", "0155AED6DCD90281E3FF", false},     // these have not counted
		{"a", "00000155AED6DCD90281E3FF", false}, // longer, and yet smaller
	} {
		h := hint{key: c.key, sequencer: c.sequencer}
		if got := s.news(&h); got != c.news {
			t.Errorf("hint %d, %s of %s: %v", i, c.sequencer, c.key, got)
		}
		s.remember(&h)
	}
	for i := range 3 * maxSequencers {
		s.remember(&hint{key: fmt.Sprint("k", i), sequencer: "01"})
	}
	if n := len(s.young) + len(s.old); n > 2*maxSequencers {
		t.Errorf("%d keys are remembered", n)
	}
	if !s.news(&hint{key: "a", sequencer: "00"}) {
		t.Error("a key that is forgotten is still compared")
	}
}

// What nobody had room for is neither counted nor remembered: it comes again, and may be overtaken meanwhile.
func TestAMessageThatIsNotTakenHasNotCome(t *testing.T) {
	s := sieve{bucket: "docs", prefix: "in/"}
	message := func(sequencer string) []byte {
		record := `{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":%q},"object":{"key":%q,"sequencer":%q}}}`
		return fmt.Appendf(nil, `{"Records":[`+record+`,`+record+`,`+record+`,`+record+`]}`, "docs", "in/a", sequencer, "docs", "in/a", sequencer,
			"other", "in/a", sequencer, "docs", "out/a", sequencer)
	}
	for i, x := range []struct {
		sequencer  string
		room, want bool
		keys       int
		count      cdc.Notices
	}{
		{"06", false, false, 1, cdc.Notices{}},
		{"05", true, true, 1, cdc.Notices{Taken: 1, Repeated: 1, Foreign: 1, Outside: 1}}, // the refused one says nothing of it
		{"06", false, false, 1, cdc.Notices{Taken: 1, Repeated: 1, Foreign: 1, Outside: 1}},
		{"06", true, true, 1, cdc.Notices{Taken: 2, Repeated: 2, Foreign: 2, Outside: 2}},
		{"05", false, true, 0, cdc.Notices{Taken: 2, Repeated: 4, Foreign: 3, Outside: 3}}, // there is nothing to take
	} {
		asked := 0
		taken, err := s.offer(message(x.sequencer), func(keys []string) bool {
			asked = len(keys)
			return x.room
		})
		if err != nil || taken != x.want || asked != x.keys || s.tally() != x.count {
			t.Errorf("message %d: taken %v, %d keys, counted %+v, %v", i, taken, asked, s.tally(), err)
		}
	}
}

func FuzzRangeOf(f *testing.F) {
	f.Add("bytes 10-19/200")
	f.Add("bytes */200")
	f.Fuzz(func(t *testing.T, text string) {
		begins, whole, ok := rangeOf(text)
		if ok && (begins < 0 || whole <= begins) {
			t.Errorf("%q begins at %d of %d", text, begins, whole)
		}
	})
}

func FuzzNote(f *testing.F) {
	f.Add(note{outcome: tooLarge, size: 77, etag: "abc-2"}.append(nil))
	f.Add([]byte{})
	f.Add([]byte{noteForm})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := decodeNote(b)
		if n.outcome == stale {
			if n.fits(&object{}, 1<<30) {
				t.Error("what cannot be read fits an object")
			}
			return
		}
		if diff := cmp.Diff(b, n.append(nil)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNotesFitWhatTheyWereTakenOf(t *testing.T) {
	of := func(o outcome) note { return note{outcome: o, size: 30, etag: "e"} }
	same := object{size: 30, etag: "e"}
	for _, c := range []struct {
		name string
		n    note
		o    object
		max  int64
		want bool
	}{
		{"the same object", of(accepted), same, 30, true},
		{"another ETag", of(accepted), object{size: 30, etag: "f"}, 30, false},
		{"another size", of(accepted), object{size: 31, etag: "e"}, 40, false},
		{"a limit that is smaller now", of(accepted), same, 29, false},
		{"still too large", of(tooLarge), same, 29, true},
		{"no longer too large", of(tooLarge), same, 30, false},
		{"still archived", of(archived), object{size: 30, etag: "e", archived: true}, 30, true},
		{"restored", of(archived), same, 30, false},
		{"archived after it was read", of(accepted), object{size: 30, etag: "e", archived: true}, 30, true},
	} {
		if got := c.n.fits(&c.o, c.max); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
