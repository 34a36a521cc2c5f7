package http_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	nethttp "net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/http"
)

func TestOptionsThatCannotBeMeantAreNamed(t *testing.T) {
	tests := []struct {
		name   string
		change func(o *http.Options)
		option string
	}{
		{"no address", func(o *http.Options) { o.Listen = "" }, "listen"},
		{"no port", func(o *http.Options) { o.Listen = "127.0.0.1" }, "listen"},
		{"a port that is none", func(o *http.Options) { o.Listen = "127.0.0.1:70000" }, "listen"},
		{"open to others without a token", func(o *http.Options) { o.Listen = "0.0.0.0:0" }, "token"},
		{"open to others by every address", func(o *http.Options) { o.Listen = ":0" }, "token"},
		{"a short token", func(o *http.Options) { o.Token = "short" }, "token"},
		{"a token of two words", func(o *http.Options) { o.Token = token + " " + token }, "token"},
		{"a certificate without a key", func(o *http.Options) { o.CertFile = "cert.pem" }, "tls"},
		{"a certificate that is not there", func(o *http.Options) { o.CertFile, o.KeyFile = "no.pem", "no.pem" }, "tls"},
		{"a body of a gigabyte", func(o *http.Options) { o.MaxBody = 1 << 30 }, "max_body"},
		{"no schema", func(o *http.Options) { o.Schema = nil }, "schema"},
		{"a column twice", func(o *http.Options) { o.Schema = append(o.Schema, o.Schema[0]) }, "schema"},
		{"a column that says what is done", func(o *http.Options) { o.Schema = append(o.Schema, cdc.Column{Name: "_op", Type: o.Schema[0].Type}) }, "schema"},
		{"no key", func(o *http.Options) { o.Key = nil }, "key"},
		{"a key that is no column", func(o *http.Options) { o.Key = []string{"other"} }, "key"},
		{"a key twice", func(o *http.Options) { o.Key = []string{"id", "id"} }, "key"},
		{"a key of a kind that is none", func(o *http.Options) { o.Schema[2].Type.Kind, o.Key = cdc.JSON, []string{"price"} }, "key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := prices()
			test.change(&o)
			_, err := http.New(o)
			var option *cdc.OptionError
			if !errors.As(err, &option) || option.Option != test.option || option.Hint == "" {
				t.Errorf("it is answered with %v", err)
			}
			if err != nil && strings.Contains(err.Error(), token) {
				t.Errorf("the token is shown: %v", err)
			}
		})
	}
}

// certificate writes a certificate of 127.0.0.1 and its key.
func certificate(t *testing.T) (cert, key string, trust *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, trust = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem"), x509.NewCertPool()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	if err := errors.Join(os.WriteFile(cert, text, 0o600), os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}), 0o600)); err != nil {
		t.Fatal(err)
	}
	trust.AppendCertsFromPEM(text)
	return cert, key, trust
}

func TestPushesMayBeEncrypted(t *testing.T) {
	o := prices()
	var trust *x509.CertPool
	o.CertFile, o.KeyFile, trust = certificate(t)
	o.Token = token
	in := cdctest.NewInlet()
	c := begin(t, o, in)
	c.client.Transport = &nethttp.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}}
	r := c.request(nethttp.MethodPost, `{"id":1,"shop":"a","price":1}`, "Authorization", "Bearer "+token)
	r.URL.Scheme = "https"
	if got := c.ask(r); got.Status != nethttp.StatusAccepted {
		t.Errorf("it is answered %+v", got)
	}
	old := &nethttp.Client{Transport: &nethttp.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, MaxVersion: tls.VersionTLS11}}}
	r = r.Clone(t.Context())
	r.Body = nil
	if answer, err := old.Do(r); err == nil {
		_ = answer.Body.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

func ExampleNew() {
	s, err := http.New(http.Options{Listen: "0.0.0.0:8000", Schema: columns(), Key: []string{"id"}})
	fmt.Println(s, err)
	// Output:
	// <nil> token: others can reach 0.0.0.0:8000, which needs a token
}
