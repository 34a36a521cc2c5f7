package http

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	nethttp "net/http"
	"syscall"
	"time"

	"github.com/freshet/freshet/cdc"
)

// probeTime bounds the question to whoever listens at the address.
const probeTime = 5 * time.Second

// Probe implements stream.Prober: whether the address is free, or the flow runs that has this source.
func (s *Source) Probe(ctx context.Context) (found string, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.o.Listen)
	if err == nil {
		return "the address is free", listener.Close()
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		if position, ok := s.running(ctx); ok {
			return "listens, position " + position, nil
		}
	}
	return "", s.unusable(err)
}

// Estimates implements stream.Estimator: nothing stands in the source before it is pushed.
func (s *Source) Estimates(context.Context) ([]cdc.Estimate, error) {
	return []cdc.Estimate{{}}, nil
}

// Resumes implements stream.Resumable: it makes sure that the address is free for a state that holds nothing yet, where
// another process that listens there is more than the one of a moment ago.
func (s *Source) Resumes(ctx context.Context, from cdc.Position) (found string, err error) {
	if from != "" {
		return "goes on behind position " + s.Describe(from), nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.o.Listen)
	if err != nil {
		return "", s.unusable(err)
	}
	return "the first run listens at " + s.o.Listen, listener.Close()
}

// running asks whoever listens whether it is this source.
func (s *Source) running(ctx context.Context) (position string, ok bool) {
	client, scheme := &nethttp.Client{Transport: &nethttp.Transport{TLSClientConfig: s.pinned()}}, "http://"
	defer client.CloseIdleConnections()
	if s.o.CertFile != "" {
		scheme = "https://"
	}
	r, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodGet, scheme+dialable(s.o.Listen)+"/", nil)
	if err != nil {
		return "", false
	}
	if s.o.Token != "" {
		r.Header.Set("Authorization", "Bearer "+s.o.Token)
	}
	answer, err := client.Do(r)
	if err != nil {
		return "", false
	}
	defer func() { _ = answer.Body.Close() }()
	var told struct {
		Data struct {
			Position string `json:"position"`
			Columns  string `json:"columns"`
		} `json:"data"`
	}
	err = json.NewDecoder(nethttp.MaxBytesReader(nil, answer.Body, 1<<20)).Decode(&told)
	return told.Data.Position, err == nil && told.Data.Columns == s.schema.String()
}

// pinned trusts the source's own certificate and no other: the token goes to nobody else. The name in it is that of
// the outside.
func (s *Source) pinned() *tls.Config {
	if s.o.CertFile == "" {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: func(state tls.ConnectionState) error {
		own, err := tls.LoadX509KeyPair(s.o.CertFile, s.o.KeyFile)
		if err != nil {
			return fmt.Errorf("read certificate: %w", err)
		}
		if len(state.PeerCertificates) == 0 || !bytes.Equal(state.PeerCertificates[0].Raw, own.Certificate[0]) {
			return errors.New("the certificate is another one")
		}
		return nil
	}}
}

// dialable is the address by which this machine reaches one that is listened at.
func dialable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
