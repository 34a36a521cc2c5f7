package main

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc/s3/s3test"
)

// bucketFlow writes a flow over a bucket and gives its path.
func bucketFlow(t *testing.T, source string) string {
	t.Helper()
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull} {
		t.Setenv(name, value)
	}
	path := filepath.Join(t.TempDir(), "flow.yaml")
	text := "flow: docs\nsources:\n  docs:\n    s3:\n" + source + "sinks:\n  log: {from: docs, jsonl: {path: ./out.jsonl}, columns: [path, text]}\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// The template of a bucket is a flow that runs: its texts are found, what is none is passed over.
func TestTheTemplateOfABucketRuns(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "example")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "example")
	bucket := s3test.NewBucket("handbook")
	bucket.Put("pages/returns.md", "# Returns\n\nA parcel can be sent back within 30 days.\n")
	bucket.Put("pages/logo.png", "\x89PNG\r\n\x1a\n\xff")
	bucket.Put("drafts/returns.md", "A parcel can be sent back within a year.\n")
	server := httptest.NewServer(&s3test.Server{Bucket: bucket})
	defer server.Close()
	flow := filepath.Join(t.TempDir(), "handbook.yaml")
	if code, _, said := verb(t, "init", flow, "--template", "s3", "--source", "s3://handbook/pages/"); code != exitOK {
		t.Fatalf("exit %d: %s", code, said)
	}
	text, err := os.ReadFile(flow)
	if err == nil {
		err = os.WriteFile(flow, []byte(strings.Replace(string(text), "# endpoint: http://localhost:9000", "endpoint: "+server.URL, 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if code, _, said := verb(t, "run", flow, "--once"); code != exitOK {
		t.Fatalf("exit %d: %s", code, said)
	}
	if _, _, said := verb(t, "query", flow, "when can I send a parcel back?"); !strings.Contains(said, "within 30 days") || strings.Contains(said, "a year") {
		t.Errorf("the search finds %s", said)
	}
}

func TestDoctorReachesABucket(t *testing.T) {
	bucket := s3test.NewBucket("handbook")
	bucket.Put("a", "1")
	server := httptest.NewServer(&s3test.Server{Bucket: bucket})
	defer server.Close()
	flow := bucketFlow(t, "      bucket: handbook\n      endpoint: "+server.URL+"\n")
	var out, errs bytes.Buffer
	if code := execute([]string{"doctor", flow}, &out, &errs); code != exitOK || !strings.Contains(out.String(), "bucket handbook can be listed; objects: 1") {
		t.Errorf("exit %d: %s %s", code, out.String(), errs.String())
	}
	bucket.Refuse(func(s3test.Request) *s3test.Refusal { return &s3test.Refusal{Status: 403, Code: "AccessDenied"} })
	out.Reset()
	if code := execute([]string{"doctor", flow}, &out, &errs); code != exitEnvironment || !strings.Contains(errs.String(), "s3:ListBucket") {
		t.Errorf("a bucket that is denied: exit %d: %s %s", code, out.String(), errs.String())
	}
}

func TestOptionsOfABucketThatCannotBeMeantAreShown(t *testing.T) {
	for name, c := range map[string]struct{ source, want string }{
		"two ways to be told":      {"      bucket: b\n      notify: {sqs: \"http://h/q\", poll: 5m}\n", "flow.yaml:6:"},
		"a webhook open to all":    {"      bucket: b\n      notify: {webhook: \"0.0.0.0:9010\"}\n", "give a token too"},
		"a webhook with its token": {"      bucket: b\n      notify: {webhook: {addr: \"0.0.0.0:9010\", tokens: x}}\n", "token"},
		"no endpoint":              {"      bucket: b\n      endpoint: localhost\n", "http://localhost:9000"},
		"a key that is not there":  {"      bucket: b\n      prefx: x\n", "prefix"},
	} {
		t.Run(name, func(t *testing.T) {
			flow := bucketFlow(t, c.source)
			var out, errs bytes.Buffer
			if code := execute([]string{"validate", flow}, &out, &errs); code != exitUsage || !strings.Contains(errs.String(), c.want) {
				t.Errorf("exit %d: %s %s", code, out.String(), errs.String())
			}
		})
	}
}
