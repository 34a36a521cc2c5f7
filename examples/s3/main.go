// Command s3 is the example of a bucket that is searched. It serves the bucket itself, so that it can tell what is
// fetched there.
package main

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/freshet/freshet/cdc/s3/s3test"
	"github.com/freshet/freshet/examples/internal/scene"
)

func main() { scene.Play("s3", play) }

func play(ctx context.Context, s *scene.Scene) {
	bucket := s3test.NewBucket("handbook")
	server := httptest.NewServer(&s3test.Server{Bucket: bucket})
	defer server.Close()
	for name, value := range map[string]string{"S3_BUCKET": "handbook", "S3_ENDPOINT": server.URL, "AWS_ACCESS_KEY_ID": "example", "AWS_SECRET_ACCESS_KEY": "example"} {
		s.Setenv(name, value)
	}
	run := func() {
		before := len(bucket.Fetched())
		s.Freshet(ctx, "run", "flow.yaml", "--once")
		s.Say("objects fetched: %d", len(bucket.Fetched())-before)
	}
	ask := func() { s.Freshet(ctx, "query", "flow.yaml", "when can I send a parcel back?", "-k", "1") }

	s.Act("three pages, and a draft that the flow leaves out")
	pages, err := filepath.Glob(s.Path("pages/*.md"))
	s.Check(err)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		s.Check(err)
		bucket.Put("pages/"+filepath.Base(page), string(text))
	}
	bucket.Put("drafts/returns.md", "A parcel can be sent back within a year, some think.")
	run()
	ask()

	s.Act("nothing has changed")
	run()

	s.Act("a page is overwritten, one is deleted")
	page, _ := bucket.Head("pages/returns.md")
	bucket.Put(page.Key, strings.Replace(string(page.Content), "30 days", "45 days", 1))
	bucket.Delete("pages/shipping.md")
	run()
	ask()
}
