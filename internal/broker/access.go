package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/freshet/freshet/cdc"
)

// Access says how a cluster is reached.
type Access struct {
	Brokers []string // host:port of some brokers; the others are learnt from them
	TLS     *TLS     // nil: in the clear
	SASL    *SASL    // nil: nobody is authenticated
	// Dial opens a connection below TLS; nil: over TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// TLS says whom to trust and who we are. Its zero value trusts what the system trusts.
type TLS struct {
	CA         string // file of certificates to trust instead of the system's
	Cert, Key  string // files of our own certificate and its key
	ServerName string // the name that the brokers' certificates carry, where it is not the address
}

// SASL says who we are.
type SASL struct {
	Mechanism string // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER
	User      string
	Password  string
	Token     string // of OAUTHBEARER
	TokenFile string // of OAUTHBEARER: read for each connection
}

// dialTimeout bounds the opening of one connection.
const dialTimeout = 5 * time.Second

// Options are the options of a client that reaches the cluster.
func (a Access) Options() ([]kgo.Opt, error) {
	if len(a.Brokers) == 0 {
		return nil, &cdc.OptionError{Option: "brokers", Err: errors.New("no broker is named"), Hint: `name some, such as brokers: ["localhost:9092"]`}
	}
	for _, b := range a.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			return nil, &cdc.OptionError{Option: "brokers", Err: fmt.Errorf("%q is no host:port", b), Hint: "write the address of a broker, such as localhost:9092"}
		}
	}
	dial := a.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	if a.TLS != nil {
		config, err := a.TLS.config()
		if err != nil {
			return nil, err
		}
		dial = over(dial, config)
	}
	options := []kgo.Opt{kgo.SeedBrokers(a.Brokers...), kgo.ClientID("freshet"), kgo.Dialer(dial), kgo.DisableClientMetrics()}
	if a.SASL != nil {
		mechanism, err := a.SASL.mechanism()
		if err != nil {
			return nil, err
		}
		options = append(options, kgo.SASL(mechanism))
	}
	return options, nil
}

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// over dials TLS over what another dialer opens.
func over(dial dialer, config *tls.Config) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c := config
		if c.ServerName == "" {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, errors.Join(err, conn.Close())
			}
			c = config.Clone()
			c.ServerName = host
		}
		secure := tls.Client(conn, c)
		handshake, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		if err := secure.HandshakeContext(handshake); err != nil {
			return nil, errors.Join(fmt.Errorf("shake hands with %s: %w", address, err), conn.Close())
		}
		return secure, nil
	}
}

func (t *TLS) config() (*tls.Config, error) {
	c := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, &cdc.OptionError{Option: "tls.ca", Err: fmt.Errorf("read certificates to trust: %w", err), Hint: "name a file in PEM format"}
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &cdc.OptionError{Option: "tls.ca", Err: fmt.Errorf("%s holds no certificate", t.CA), Hint: "name a file in PEM format"}
		}
	}
	if (t.Cert == "") != (t.Key == "") {
		return nil, &cdc.OptionError{Option: "tls.cert", Err: errors.New("a certificate needs its key, and a key its certificate"), Hint: "give both tls.cert and tls.key, or neither"}
	}
	if t.Cert != "" {
		// Read for each connection: certificates are renewed while a flow runs.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
			if err != nil {
				return nil, fmt.Errorf("read own certificate: %w", err)
			}
			return &pair, nil
		}
		if _, err := c.GetClientCertificate(nil); err != nil {
			return nil, &cdc.OptionError{Option: "tls.cert", Err: err, Hint: "name a certificate and its key in PEM format"}
		}
	}
	return c, nil
}

func (s *SASL) mechanism() (sasl.Mechanism, error) {
	name := strings.ToUpper(s.Mechanism)
	if name == "OAUTHBEARER" {
		if (s.Token == "") == (s.TokenFile == "") {
			return nil, &cdc.OptionError{Option: "sasl.token", Err: errors.New("OAUTHBEARER needs a token or the file that holds it"), Hint: "give one of sasl.token and sasl.token_file"}
		}
		return oauth.Oauth(s.oauth), nil
	}
	if s.User == "" || s.Password == "" {
		return nil, &cdc.OptionError{Option: "sasl.user", Err: fmt.Errorf("%s needs a user and a password", name), Hint: `write user and password; keep the latter out of the file: "${KAFKA_PASSWORD}"`}
	}
	switch name {
	case "PLAIN":
		return plain.Auth{User: s.User, Pass: s.Password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha512Mechanism(), nil
	}
	return nil, &cdc.OptionError{Option: "sasl.mechanism", Err: fmt.Errorf("there is no mechanism %q", s.Mechanism),
		Hint: "write PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"}
}

func (s *SASL) oauth(context.Context) (oauth.Auth, error) {
	if s.TokenFile == "" {
		return oauth.Auth{Token: s.Token}, nil
	}
	token, err := os.ReadFile(s.TokenFile)
	if err != nil {
		return oauth.Auth{}, fmt.Errorf("read token: %w", err)
	}
	return oauth.Auth{Token: strings.TrimSpace(string(token))}, nil
}
