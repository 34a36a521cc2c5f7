package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/freshet/freshet/stream/api"
)

// control is the file by which verbs find a running flow. Only its owner can read it.
type control struct {
	Address string `json:"address"` // host:port
	Token   string `json:"token"`
	Flow    string `json:"flow"`
	TLS     bool   `json:"tls,omitempty"`
	Pin     string `json:"pin,omitempty"` // SHA-256 of its certificate
	PID     int    `json:"pid,omitempty"` // of the process, as it sees itself
}

func controlPath(state string) string { return filepath.Join(state, "control") }

// newToken is a secret that nobody guesses.
func newToken() string { return rand.Text() }

// write puts the file in place as a whole, readable by its owner alone from the first moment.
func (k *control) write(state string) error {
	text, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("write control file: %w", err)
	}
	beside := controlPath(state) + ".new"
	if err := os.Remove(beside); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("write control file: %w", err)
	}
	f, err := os.OpenFile(beside, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write control file: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(beside, controlPath(state))
	}
	if err != nil {
		return fmt.Errorf("write control file: %w", err)
	}
	return nil
}

// remove takes the file away, unless another process has written its own meanwhile.
func (k *control) remove(state string) error {
	if now, ok := readControl(state); !ok || now.Token != k.Token {
		return nil
	}
	if err := os.Remove(controlPath(state)); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("remove control file: %w", err)
	}
	return nil
}

// controlMax bounds what is read of a control file, in bytes.
const controlMax = 64 << 10

// readControl reads the file. What is not there, or not readable as one, was left by nobody.
func readControl(state string) (control, bool) {
	var k control
	f, err := os.OpenFile(controlPath(state), os.O_RDONLY, 0)
	if err != nil {
		return k, false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode()&fs.ModeType != 0 {
		return k, false
	}
	text, err := io.ReadAll(io.LimitReader(f, controlMax))
	if err != nil || json.Unmarshal(text, &k) != nil || k.Address == "" || k.Token == "" {
		return k, false
	}
	return k, true
}

// peer is the process that has a flow running.
type peer struct {
	control
	client *http.Client
	state  string // directory of its state
}

// answerTime bounds a question to a running flow that costs it nothing; a search may take longer.
const answerTime = 2 * time.Second

// findPeer finds the process that runs the flow of a state, if one answers. A file that was left by a
// process that is gone (kill -9) finds nobody, even where another program has its address now: that one
// does not know the token.
func findPeer(ctx context.Context, state string) (*peer, bool) {
	k, ok := readControl(state)
	if !ok {
		return nil, false
	}
	p := &peer{control: k, client: localClient(k), state: state}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	reply, err := p.send(ctx, http.MethodGet, "/livez", nil)
	if err != nil {
		return nil, false
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK || reply.Header.Get("Freshet-Flow") != k.Flow {
		return nil, false
	}
	return p, true
}

func (p *peer) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("ask the running flow: %w", err)
		}
		sent = bytes.NewReader(text)
	}
	scheme := "http"
	if p.TLS {
		scheme = "https"
	}
	r, err := http.NewRequestWithContext(ctx, method, scheme+"://"+p.Address+path, sent)
	if err != nil {
		return nil, fmt.Errorf("ask the running flow: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+p.Token)
	r.Header.Set("Content-Type", "application/json")
	reply, err := p.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the running flow: %w", err)
	}
	return reply, nil
}

// ask sends a question and decodes the data of the answer; the error of an envelope is a fault. A verb that may wait for longer
// than api.AnswerTime, or for less, says so by a deadline of ctx.
func (p *peer) ask(ctx context.Context, method, path string, body, data any) error {
	return p.put(ctx, method, path, body, func(reply *http.Response) error { return readAnswer(reply, data) })
}

// notBegun is the answer of a flow that waits for what it needs to begin. It has not taken its state.
type notBegun struct{ fault *api.Fault }

func (e *notBegun) Error() string { return e.fault.Error() }

// Unwrap returns what it waits for.
func (e *notBegun) Unwrap() error { return e.fault }

func readAnswer(reply *http.Response, data any) error {
	var e struct {
		OK    bool            `json:"ok"`
		Data  json.RawMessage `json:"data"`
		Error *api.Fault      `json:"error"`
	}
	if err := json.NewDecoder(reply.Body).Decode(&e); err != nil {
		return fmt.Errorf("read the answer of the running flow: %w", err)
	}
	if !e.OK {
		if e.Error == nil {
			return fmt.Errorf("read the answer of the running flow: status %s", reply.Status)
		}
		e.Error.Exit, _ = strconv.Atoi(reply.Header.Get(api.ExitHeader)) // where it says none, the code does
		if reply.StatusCode == http.StatusServiceUnavailable && reply.Header.Get("Retry-After") != "" {
			return &notBegun{e.Error}
		}
		return e.Error
	}
	if err := json.Unmarshal(e.Data, data); err != nil {
		return fmt.Errorf("read the answer of the running flow: %w", err)
	}
	return nil
}

// localClient asks this machine, directly: a proxy of the environment has no part in it.
func localClient(k control) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: answerTime}).DialContext, DisableKeepAlives: true,
		TLSClientConfig: k.tlsConfig()},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
