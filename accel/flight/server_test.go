package flight_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/flight"
)

const model = `
import time
from freshet_worker import serve, Embedding
def embed(texts):
    if "raise" in texts: raise ValueError("a text of these")
    if "memory" in texts and len(texts) > 1: raise MemoryError("too much at once")
    if "hang" in texts: time.sleep(3600)
    dims = 5 if "longer" in texts else 4
    bad = float("nan")
    return [[bad if t == "nan" else float(len(t))] * dims for t in texts], [len(t.split()) for t in texts]
def matrix(texts):
    import numpy
    return numpy.array([[len(t), 0.5] for t in texts], dtype=numpy.float64)
def shout(text):
    if text == "raise": raise ValueError("no")
    return text.upper()
serve(Embedding(embed, dims=4, revision="r1"), Embedding(matrix, name="matrix", dims=2), shout)
`

// server is a worker that listens.
type server struct {
	process *exec.Cmd
	path    string // of the program
	args    []string
	said    *bufio.Reader
}

// listen starts a worker as a server and waits until it says that it serves.
func listen(t testing.TB, address string, more ...string) *server {
	t.Helper()
	return listenWith(t, model, address, more...)
}

// listenTo starts a worker as a server at a socket.
func listenTo(t testing.TB, source string) string {
	t.Helper()
	address := "unix:" + filepath.Join(t.TempDir(), "worker.sock")
	listenWith(t, source, address)
	return address
}

func listenWith(t testing.TB, source, address string, more ...string) *server {
	t.Helper()
	o := program(t, source)
	s := &server{path: o.Dir, args: append([]string{o.Command[0], "-B", "worker.py", "--listen", address}, more...)}
	s.start(t)
	return s
}

func (s *server) start(t testing.TB) {
	t.Helper()
	s.process = exec.CommandContext(t.Context(), s.args[0], s.args[1:]...)
	s.process.Dir, s.process.Env = s.path, append(os.Environ(), "PYTHONPATH="+modulePath(t))
	out, err := s.process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	process := s.process
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	s.said = bufio.NewReader(out)
	for {
		line, err := s.said.ReadString('\n')
		if strings.Contains(line, "serving") {
			return
		}
		if err != nil {
			t.Fatalf("the worker does not serve: %v: %s", err, line)
		}
	}
}

func (s *server) kill(t testing.TB) {
	t.Helper()
	if err := s.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, s.said)
	_ = s.process.Wait()
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func embedder(t testing.TB, c *flight.Client, name string) *flight.Embedder {
	t.Helper()
	e := flight.NewEmbedder(c, name, 0)
	if _, err := e.Learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e
}

// The same batches go over pipes, over a socket and over TCP.
func TestVectorsOfAWorkerAreThoseOfTheirTexts(t *testing.T) {
	socket := "unix:" + filepath.Join(t.TempDir(), "worker.sock")
	listen(t, socket)
	tcp := "grpc://" + freeAddress(t)
	listen(t, tcp)
	for name, o := range map[string]flight.Options{"pipes": program(t, model), "a socket": {Addresses: []string{socket}}, "TCP": {Addresses: []string{tcp}}} {
		t.Run(name, func(t *testing.T) {
			c := client(t, o)
			e := embedder(t, c, "embed")
			if diff := cmp.Diff(accel.Identity{Provider: "flight", Model: "embed", Revision: "r1", Dims: 4}, e.Identity()); diff != "" {
				t.Error(diff)
			}
			for range 2 { // on the same stream
				answers, err := e.Answer(t.Context(), asks("a", "bc d", "efg"))
				if err != nil {
					t.Fatal(err)
				}
				want := accel.Answers{Each: []accel.Answer{{Vector: []float32{1, 1, 1, 1}}, {Vector: []float32{4, 4, 4, 4}}, {Vector: []float32{3, 3, 3, 3}}},
					Usage: accel.Usage{InputTokens: 4}}
				if diff := cmp.Diff(want, answers); diff != "" {
					t.Errorf("answers (-want +got):\n%s", diff)
				}
			}
			m := embedder(t, c, "matrix")
			if answers, err := m.Answer(t.Context(), asks("abc")); err != nil || !cmp.Equal(answers.Each[0].Vector, []float32{3, 0.5}) {
				t.Errorf("an array of numpy is answered %v (%v)", answers.Each, err)
			}
			f := function(t, c, "shout", schema(t, "text string"), schema(t, "loud string"))
			if got, err := f.call(t.Context(), texts("a", "raise", "b")...); err != nil || !cmp.Equal(got, []string{`"loud":"A"`, "!ValueError: no", `"loud":"B"`}) {
				t.Errorf("a function is answered %v (%v)", got, err)
			}
			answers, err := e.Answer(t.Context(), asks("a", "raise", "b"))
			if err != nil || answers.Each[0].Vector == nil || answers.Each[1].Err == nil || answers.Each[1].Err.Kind != accel.Raised || answers.Each[2].Vector == nil {
				t.Errorf("a text that raises: %+v (%v)", answers.Each, err)
			}
			for text, kind := range map[string]accel.Kind{"memory": accel.OutOfMemory, "longer": accel.Malformed, "nan": accel.Malformed} {
				answers, err := e.Answer(t.Context(), asks("a", text))
				fault, ok := errors.AsType[*accel.Error](err)
				if !ok || fault.Kind != kind || len(answers.Each) > 0 && kind == accel.Malformed {
					t.Errorf("%s: %v, %v, want %v", text, answers.Each, err, kind)
				}
			}
			if answers, err := e.Answer(t.Context(), asks("ab")); err != nil || answers.Each[0].Vector[0] != 2 {
				t.Errorf("afterwards %v (%v)", answers.Each, err)
			}
		})
	}
}

// Test 9 of the faults, over Flight: what is under way when a server is killed fails as an outage, and the
// server that comes back is asked again.
func TestAServerThatIsKilledIsAnOutage(t *testing.T) {
	address := "unix:" + filepath.Join(t.TempDir(), "worker.sock")
	s := listen(t, address)
	e := embedder(t, client(t, flight.Options{Addresses: []string{address}, Timeout: time.Minute}), "embed")
	if _, err := e.Answer(t.Context(), asks("a")); err != nil {
		t.Fatal(err)
	}
	var under sync.WaitGroup
	var ended error
	under.Go(func() { _, ended = e.Answer(t.Context(), asks("hang")) })
	<-time.After(300 * time.Millisecond)
	s.kill(t)
	under.Wait()
	if fault, ok := errors.AsType[*accel.Error](ended); !ok || fault.Kind != accel.Unavailable {
		t.Errorf("the request under way ends with %v", ended)
	}
	if _, err := e.Answer(t.Context(), asks("a")); err == nil {
		t.Error("a server that is gone answers")
	}
	s.start(t)
	var err error
	for range 100 { // gRPC dials again after a pause of its own
		if _, err = e.Answer(t.Context(), asks("a")); err == nil {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Errorf("the server that has come back is not asked: %v", err)
}

func TestAServerThatHangsIsAnOutage(t *testing.T) {
	address := "unix:" + filepath.Join(t.TempDir(), "worker.sock")
	listen(t, address)
	e := embedder(t, client(t, flight.Options{Addresses: []string{address}, Timeout: 300 * time.Millisecond}), "embed")
	_, err := e.Answer(t.Context(), asks("hang"))
	if fault, ok := errors.AsType[*accel.Error](err); !ok || fault.Kind != accel.Unavailable || !strings.Contains(fault.Message, "no answer within 300ms") {
		t.Errorf("got %v", err)
	}
}

// While one of several servers is gone the others are given its share.
func TestTheOtherServersGoOn(t *testing.T) {
	dir := t.TempDir()
	one, two := "unix:"+filepath.Join(dir, "1.sock"), "unix:"+filepath.Join(dir, "2.sock")
	first := listen(t, one)
	listen(t, two)
	e := embedder(t, client(t, flight.Options{Addresses: []string{one, two}}), "embed")
	for i := range 40 {
		if i == 10 {
			first.kill(t)
		}
		if _, err := e.Answer(t.Context(), asks("a")); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
}

func TestWorkersAreMetOverMutualTLS(t *testing.T) {
	dir := t.TempDir()
	ca := authority(t, dir)
	ca.issue(t, "server", "localhost")
	ca.issue(t, "flow", "flow")
	_, port, _ := net.SplitHostPort(freeAddress(t))
	address := "grpc+tls://localhost:" + port
	listen(t, "grpc+tls://localhost:"+port, "--tls-cert", filepath.Join(dir, "server.pem"), "--tls-key", filepath.Join(dir, "server.key"), "--tls-client-ca", filepath.Join(dir, "ca.pem"))
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "flow.pem"), filepath.Join(dir, "flow.key"))
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, flight.Options{Addresses: []string{address}, TLS: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}})
	if answers, err := embedder(t, c, "embed").Answer(t.Context(), asks("abc")); err != nil || answers.Each[0].Vector[0] != 3 {
		t.Errorf("got %v (%v)", answers.Each, err)
	}
	for name, config := range map[string]*tls.Config{"without a certificate": {RootCAs: pool}, "of another authority": {Certificates: []tls.Certificate{pair}}} {
		c := client(t, flight.Options{Addresses: []string{address}, TLS: config, Timeout: 5 * time.Second})
		if _, err := c.Describe(t.Context()); err == nil {
			t.Errorf("%s: the worker answers", name)
		}
	}
}

// certificates are those of an authority of the test.
type certificates struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func authority(t *testing.T, dir string) *certificates {
	t.Helper()
	c := &certificates{dir: dir}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	c.cert, c.key = c.write(t, "ca", template, nil)
	return c
}

func (c *certificates) issue(t *testing.T, name, host string) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	c.write(t, name, template, c)
}

// write makes a certificate, signed by an authority or by itself, and keeps it with its key.
func (c *certificates) write(t *testing.T, name string, template *x509.Certificate, by *certificates) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(c.dir, name+file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
