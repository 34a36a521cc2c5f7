package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/engine"
)

func TestAddressesThatOthersReachNeedTokenAndTLS(t *testing.T) {
	cases := []struct {
		addr string
		code string // empty: it is served
	}{
		{"127.0.0.1:0", ""}, {"localhost:0", ""}, {"127.0.0.9:0", ""},
		{"0.0.0.0:0", "usage"}, {":0", "usage"}, {"[::]:0", "usage"}, {"example.org:0", "usage"}, {"localhost.example.org:0", "usage"},
		{"7700", "usage"}, {"127.0.0.1", "usage"}, {"127.0.0.1:http", "usage"}, {"127.0.0.1:70000", "usage"},
	}
	for _, c := range cases {
		s := serving{addr: c.addr}
		out, err := s.listen("docs")
		if err == nil {
			out.Close()
		}
		var f *fault
		if code := ""; errors.As(err, &f) {
			if code = f.Code; code != c.code || f.Hint == "" {
				t.Errorf("listen at %q: %v, code %q, hint %q; want code %q and a hint", c.addr, err, code, f.Hint, c.code)
			}
		} else if err != nil || c.code != "" {
			t.Errorf("listen at %q: %v, want code %q", c.addr, err, c.code)
		}
	}
}

func TestDefaultAddressGivesWayAndANamedOneDoesNot(t *testing.T) {
	first, err := (&serving{}).listen("a")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := (&serving{}).listen("b")
	if err != nil {
		t.Fatalf("a second flow finds no port: %v", err)
	}
	defer second.Close()
	if first.Addr().String() == second.Addr().String() {
		t.Errorf("both flows listen at %s", first.Addr())
	}
	_, err = (&serving{addr: first.Addr().String()}).listen("c")
	if got := faultOf(err); got.Code != "address_in_use" || got.Exit != exitEnvironment {
		t.Errorf("a named address that is taken: %s, exit %d; want address_in_use, exit 3", got.Code, got.Exit)
	}
}

// health is a flow that is well and has nothing.
type health struct{}

func (health) Status() engine.Status          { return engine.Status{Flow: "docs", State: "running"} }
func (health) Ready() (bool, []engine.Reason) { return true, nil }

func TestVerbsReachAFlowThatServesOthersByItsPinnedCertificate(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir)
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte(strings.Repeat("t", tokenMin)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serving{addr: "0.0.0.0:0", tokenFile: token, cert: cert, key: key}
	out, err := s.listen("docs")
	if err != nil {
		t.Fatal(err)
	}
	if !out.remote {
		t.Error("the listener does not know that others can reach it")
	}
	server := api.New(api.Flow{Health: health{}}, api.Options{Flow: "docs", Token: out.control.Token, Remote: true})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.Serve(ctx, out); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer stop()

	if err := out.control.write(dir); err != nil {
		t.Fatal(err)
	}
	p, ok := findPeer(t.Context(), dir)
	if !ok {
		t.Fatal("the flow is not found by its control file")
	}
	var status engine.Status
	if err := p.ask(t.Context(), http.MethodGet, "/api/v1/status", nil, &status); err != nil || status.Flow != "docs" {
		t.Errorf("ask = %v, %v; want the status of docs", status.Flow, err)
	}

	stranger := out.control
	stranger.Pin = fingerprint([]byte("another certificate"))
	if err := stranger.write(dir); err != nil {
		t.Fatal(err)
	}
	if _, ok := findPeer(t.Context(), dir); ok {
		t.Error("a verb trusts a certificate that the control file does not name")
	}
}

func writeCertificate(t *testing.T, dir string) (certPath, keyPath string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "flow.example"}, DNSNames: []string{"flow.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certPath, keyPath = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certPath: {Type: "CERTIFICATE", Bytes: der}, keyPath: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certPath, keyPath
}
