// Command tickets is the example of fields that a chat model reads in texts. It serves the model itself: one that errs
// in a ticket of twenty, and that counts what it is asked.
package main

import (
	"context"
	"net/http/httptest"
	"strings"

	"github.com/freshet/freshet/examples/internal/scene"
)

func main() { scene.Play("tickets", play) }

func play(ctx context.Context, s *scene.Scene) {
	model := &reader{}
	server := httptest.NewServer(model)
	defer server.Close()
	s.Setenv("MODEL_URL", server.URL+"/v1")
	tell := func() {
		s.Say("%d tickets are read, %d prompts were sent so far", len(s.Rows("facts.jsonl")), model.prompts())
	}

	s.Act("twenty tickets; one answer that is no use is asked for again, and one ticket has none")
	s.Rejects(ctx, "run", "flow.yaml", "--once")
	tell()
	var letters struct {
		Items []struct{ Key, Code, Message string }
	}
	s.Ask(ctx, &letters, "dlq", "ls", "flow.yaml")
	for _, l := range letters.Items {
		s.Say("%s: %s: %s", l.Key, l.Code, l.Message)
	}

	s.Act("nothing has changed: nothing is asked, and the dead letter waits")
	s.Rejects(ctx, "run", "flow.yaml", "--once")
	tell()

	s.Act("the model is mended, and asked again for what it could not answer: `freshet dlq retry flow.yaml --all`")
	model.mend()
	s.Ask(ctx, nil, "dlq", "retry", "flow.yaml", "--all")
	s.Freshet(ctx, "run", "flow.yaml", "--once")
	tell()

	s.Act("what is due")
	for _, row := range s.Rows("facts.jsonl") {
		if !strings.Contains(row, `"due":null`) {
			s.Say("%s", row)
		}
	}
}
