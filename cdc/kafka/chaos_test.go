package kafka_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/internal/broker"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Whatever brokers do, short of losing records, the rows end as the topic has them, and no value comes back
// that a later one has replaced (I4).
func TestBrokersMayMisbehave(t *testing.T) {
	w := newWorld(t, 4, kfake.NumBrokers(3))
	in := cdctest.NewInlet()
	w.live(in)
	rng := mathrand.New(mathrand.NewPCG(5, 1))
	want := map[string]string{}
	refusals := []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownServerError, kerr.FencedLeaderEpoch, kerr.KafkaStorageError, kerr.LeaderNotAvailable}
	for n := range 600 {
		key := fmt.Sprintf("k%d", rng.IntN(40))
		if rng.IntN(5) == 0 {
			delete(want, key)
			w.must(w.Delete(key))
		} else {
			want[key] = fmt.Sprint(n)
			w.must(w.Write(key, want[key]))
		}
		switch n % 150 { // each fault costs the source a pause, so that they are few
		case 20, 80, 140:
			w.cluster.ShufflePartitionLeaders()
		case 50:
			w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: refusals[n/150]})
		case 100:
			w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets, kmsg.Metadata}, Topic: "t", Err: refusals[n/150]})
		case 120:
			w.cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
				return nil, errors.New("the connection is cut"), true
			})
		case 149:
			w.holds(in, want)
		}
	}
	w.holds(in, want)
	last := map[string]int{}
	for _, p := range in.Puts() {
		if p.Op != cdc.Update {
			continue
		}
		var n int
		if _, err := fmt.Sscan(p.After.At(1).Text(), &n); err != nil {
			t.Fatal(err)
		}
		if key := p.Key.Text(); n < last[key] {
			t.Fatalf("%s was %d and then %d", key, last[key], n)
		} else {
			last[key] = n
		}
	}
	w.must(in.Verify())
}

// While no broker answers the source says so and lives; it goes on when one does.
func TestACloudOfSilenceIsToldAndPasses(t *testing.T) {
	w := newWorld(t, 1)
	gate := make(chan struct{}, 1) // holds a token while the network is cut
	w.options.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		select {
		case gate <- struct{}{}:
			<-gate
			return (&net.Dialer{}).DialContext(ctx, network, address)
		default:
			return nil, errors.New("the network is cut")
		}
	}
	gate <- struct{}{}
	w.must(w.Write("a", "1"))
	in := cdctest.NewInlet()
	w.live(in)
	w.must(in.Wait(t.Context(), "a problem", func() bool { return in.Hindrance() != nil }))
	var fault *cdc.SourceError
	if err := in.Hindrance(); !errors.As(err, &fault) || fault.Code != "server_unreachable" || fault.Hint == "" {
		t.Errorf("it is told as %v", err)
	}
	<-gate
	w.holds(in, map[string]string{"a": "1"})
	w.must(in.Wait(t.Context(), "no problem", func() bool { return in.Hindrance() == nil }))
}

func TestATopicThatIsNotThereEndsARunThatDoesNotWait(t *testing.T) {
	w := newWorld(t, 1)
	w.options.Topic = "missing"
	err := w.once(cdctest.NewInlet())
	var fault *cdc.SourceError
	if !errors.As(err, &fault) || fault.Code != "server_unreachable" || !strings.Contains(err.Error(), "missing") || fault.Hint == "" {
		t.Errorf("the run ends with %v", err)
	}
	if w.cluster.TopicInfo("missing") != nil {
		t.Error("the topic was made")
	}
}

// certificate makes a certificate for 127.0.0.1 and the file of it that a client trusts.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

func TestUsersAreAuthenticated(t *testing.T) {
	cert, ca := certificate(t)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}}), kfake.EnableSASL(),
		kfake.Superuser("PLAIN", "anna", "secret"), kfake.Superuser("SCRAM-SHA-256", "bert", "secret"), kfake.Superuser("SCRAM-SHA-512", "cleo", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	trust := &broker.TLS{CA: ca}
	for _, c := range []struct {
		name string
		tls  *broker.TLS
		sasl *broker.SASL
		code string // of the fault; empty: it is let in
	}{
		{"plain", trust, &broker.SASL{Mechanism: "PLAIN", User: "anna", Password: "secret"}, ""},
		{"scram 256", trust, &broker.SASL{Mechanism: "SCRAM-SHA-256", User: "bert", Password: "secret"}, ""},
		{"scram 512", trust, &broker.SASL{Mechanism: "SCRAM-SHA-512", User: "cleo", Password: "secret"}, ""},
		{"a wrong password", trust, &broker.SASL{Mechanism: "PLAIN", User: "anna", Password: "guess"}, "access_denied"},
		{"a wrong password of scram", trust, &broker.SASL{Mechanism: "SCRAM-SHA-256", User: "bert", Password: "guess"}, "access_denied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &world{t: t, cluster: cluster}
			w.options.Access = broker.Access{Brokers: cluster.ListenAddrs(), TLS: c.tls, SASL: c.sasl}
			w.options.Topic, w.options.Schema = "t", []cdc.Column{{Name: "value", Type: cdc.Type{Kind: cdc.String}}}
			if c.code != "" { // kfake hangs up where Kafka says why
				cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
					cluster.KeepControl()
					said := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
					said.ErrorCode = kerr.SaslAuthenticationFailed.Code
					return said, nil, true
				})
			}
			err := w.once(cdctest.NewInlet())
			var fault *cdc.SourceError
			if c.code == "" && err != nil || c.code != "" && (!errors.As(err, &fault) || fault.Code != c.code || fault.Hint == "") {
				t.Errorf("the run ends with %v, want the code %q", err, c.code)
			}
			if err != nil && strings.Contains(err.Error(), "guess") {
				t.Errorf("the password is told: %v", err)
			}
		})
	}
}
