package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/stream/api"
)

// pipes are connections to a server of the same bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (*pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7700} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func TestAQuestionEndsWithTheProcessThatItWasPutTo(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		frozen time.Duration // how long after the question the process stops to answer anything; 0: it never does
		takes  time.Duration // what the answer takes
		most   time.Duration // what the verb grants; 0: what any question has
		ends   time.Duration // at the latest
		silent bool
	}{
		{"an answer at once", 0, 0, 0, 0, false},
		{"a process that is frozen when it has taken the question", time.Nanosecond, 0, 0, pulseBeat + silence, true},
		{"one that is frozen in the midst of a long wait", time.Minute, time.Hour, time.Hour, time.Minute + 2*pulseBeat + silence, true},
		{"a long wait of a process that lives", 0, 50 * time.Minute, time.Hour, 50 * time.Minute, false},
		{"a process that lives and never answers this", 0, 2 * api.AnswerTime, 0, api.AnswerTime, true},
		{"a verb that has waited for as long as it wants", 0, time.Hour, time.Second, time.Second, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				asked := time.Now()
				freeze := func(ctx context.Context) {
					if c.frozen > 0 && time.Since(asked) >= c.frozen {
						<-ctx.Done()
					}
				}
				mux := http.NewServeMux()
				mux.HandleFunc("/livez", func(_ http.ResponseWriter, r *http.Request) { freeze(r.Context()) })
				mux.HandleFunc("/api/v1/status", func(w http.ResponseWriter, r *http.Request) {
					select {
					case <-time.After(max(c.takes, c.frozen)):
					case <-r.Context().Done():
					}
					freeze(r.Context())
					fmt.Fprintln(w, `{"ok": true, "data": {"flow": "docs"}}`)
				})
				l := &pipes{make(chan net.Conn), make(chan struct{})}
				server := &http.Server{Handler: mux}
				var serving sync.WaitGroup
				serving.Go(func() { _ = server.Serve(l) })
				defer serving.Wait()
				defer server.Close()

				p := &peer{control: control{Address: l.Addr().String(), Flow: "docs"}, state: t.TempDir(),
					client: &http.Client{Transport: &http.Transport{DialContext: l.dial, DisableKeepAlives: true}}}
				ctx := t.Context()
				if c.most > 0 {
					limited, cancel := context.WithTimeout(ctx, c.most)
					defer cancel()
					ctx = limited
				}
				var status struct{ Flow string }
				err := p.ask(ctx, http.MethodGet, "/api/v1/status", nil, &status)
				if took := time.Since(asked); took > c.ends {
					t.Errorf("it took %s, want %s at most", took, c.ends)
				}
				told, silent := errors.AsType[*fault](err)
				switch {
				case c.silent != silent:
					t.Errorf("ask = %v, want a fault: %v", err, c.silent)
				case silent:
					if told.Code != "state_in_use" || !strings.Contains(told.Message, "runs the flow docs and does not answer at 127.0.0.1:7700") || told.Hint == "" {
						t.Errorf("ask = %s, %q with the hint %q", told.Code, told.Message, told.Hint)
					}
				case c.most > 0 && c.most < c.takes:
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("ask = %v, want the end of the verb's own time", err)
					}
				case err != nil || status.Flow != "docs":
					t.Errorf("ask = %v, %v; want the status of docs", status.Flow, err)
				}
			})
		})
	}
}

// Every verb that asks a running flow names a process that was frozen behind its last word to it, and does not wait for it.
func TestVerbsDoNotWaitForAFrozenProcess(t *testing.T) {
	t.Parallel()
	flow, s, k := serveNothing(t, "frozen")
	dir := filepath.Dir(flow)
	cases := [][]string{{"status", flow}, {"status", flow, "--ready"}, {"status", flow, "--wait", "docs=1", "--timeout", "1h"}, {"top", flow, "--once"},
		{"pause", flow}, {"resume", flow}, {"backfill", flow, "docs"}, {"plan", flow}, {"query", flow, "rent"}, {"lineage", flow, "docs/a.md"},
		{"dlq", "ls", flow}, {"dlq", "show", flow, "7"}, {"dlq", "retry", flow, "--all"}, {"tap", flow, "docs"}, {"bench", flow},
		{"checkpoint", flow, filepath.Join(dir, "copy")}}
	// A gate before the process holds the questions back until the last verb has put its own. Then it stops the process and lets them through.
	var came atomic.Int64
	stopped := make(chan struct{})
	through := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: k.Address})
	through.ErrorLog = log.New(io.Discard, "", 0) // of verbs that have left
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/livez" {
			if came.Add(1) == int64(len(cases)) {
				stop(t, s.cmd.Process)
				close(stopped)
			}
			select {
			case <-stopped:
			case <-r.Context().Done():
			}
		}
		through.ServeHTTP(w, r)
	}))
	defer gate.Close()
	k.Address = gate.Listener.Addr().String()
	if err := k.write(filepath.Join(dir, ".freshet", "frozen")); err != nil {
		t.Fatal(err)
	}
	codes, said := make([]int, len(cases)), make([]bytes.Buffer, len(cases))
	var asking sync.WaitGroup
	for i, args := range cases {
		asking.Go(func() { codes[i] = execute(append(args, "--json"), &said[i], io.Discard) })
	}
	asking.Wait()
	want := fmt.Sprintf(`"process %d runs the flow frozen and does not answer at %s within 5 s"`, s.cmd.Process.Pid, k.Address)
	for i, args := range cases {
		if codes[i] != exitEnvironment || !strings.Contains(said[i].String(), want) || !strings.Contains(said[i].String(), `"state_in_use"`) {
			t.Errorf("%v: exit %d, %s; want %s", args, codes[i], said[i].String(), want)
		}
	}
}

// stop suspends a process, and returns when it has stopped: one of its threads may answer until all of them have.
func stop(t *testing.T, process *os.Process) {
	t.Helper()
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Error(err)
	}
	if _, err := syscall.Wait4(process.Pid, nil, syscall.WUNTRACED, nil); err != nil {
		t.Error(err)
	}
}
