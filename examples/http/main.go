// Command http is the example of changes that are pushed: each answer says that they are durable, and a position to wait
// for.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"github.com/freshet/freshet/examples/internal/scene"
)

func main() { scene.Play("http", play) }

func play(ctx context.Context, s *scene.Scene) {
	const listen = "127.0.0.1:8000"
	address := free(s)
	s.Edit("flow.yaml", "listen: "+listen, "listen: "+address) // nobody is in the way there
	offers := func(ctx context.Context, file string) {
		s.Say("+ curl --data-binary @%s -H 'Content-Type: application/x-ndjson' http://%s/", file, listen)
		s.Wait(ctx, "prices", push(ctx, s, address, s.Read(file)))
		s.ShowRows("offers.jsonl")
	}

	s.Service(ctx, func(ctx context.Context) {
		s.Act("four prices: two are lower than they were")
		offers(ctx, "prices.jsonl")
		s.Act("a price rises again, an article goes, a price falls")
		offers(ctx, "later.jsonl")
		s.Act("the same once more changes nothing")
		offers(ctx, "later.jsonl")
	})
}

// push sends changes, prints the answer, and gives the position in it.
func push(ctx context.Context, s *scene.Scene, address string, body []byte) (position string) {
	for s.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/", bytes.NewReader(body))
		s.Check(err)
		r.Header.Set("Content-Type", "application/x-ndjson")
		answer, err := http.DefaultClient.Do(r)
		if errors.Is(err, syscall.ECONNREFUSED) {
			s.Pause(ctx) // it does not listen yet
			continue
		}
		if !s.Check(err) {
			break
		}
		var said struct {
			OK   bool            `json:"ok"`
			Data json.RawMessage `json:"data"`
		}
		s.Check(errors.Join(json.NewDecoder(answer.Body).Decode(&said), answer.Body.Close()))
		s.Say("%s %s", answer.Status, said.Data)
		var data struct{ Position string }
		s.Check(json.Unmarshal(said.Data, &data))
		return data.Position
	}
	return ""
}

// free is an address that nobody listens at.
func free(s *scene.Scene) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if !s.Check(err) {
		return ""
	}
	s.Check(l.Close())
	return fmt.Sprint(l.Addr())
}
