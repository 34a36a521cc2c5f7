package broker_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/broker"
)

func TestSettingsThatCannotBeMeantAreNamed(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	at := []string{"127.0.0.1:9092"}
	for _, c := range []struct {
		name, option string
		access       broker.Access
	}{
		{"no broker", "brokers", broker.Access{}},
		{"a broker without a port", "brokers", broker.Access{Brokers: []string{"localhost"}}},
		{"an unknown mechanism", "sasl.mechanism", broker.Access{Brokers: at, SASL: &broker.SASL{Mechanism: "GSSAPI", User: "u", Password: "p"}}},
		{"a user without a password", "sasl.user", broker.Access{Brokers: at, SASL: &broker.SASL{Mechanism: "plain", User: "u"}}},
		{"a bearer without a token", "sasl.token", broker.Access{Brokers: at, SASL: &broker.SASL{Mechanism: "oauthbearer"}}},
		{"two tokens", "sasl.token", broker.Access{Brokers: at, SASL: &broker.SASL{Mechanism: "OAUTHBEARER", Token: "t", TokenFile: "f"}}},
		{"a file without certificates", "tls.ca", broker.Access{Brokers: at, TLS: &broker.TLS{CA: empty}}},
		{"a file that is not there", "tls.ca", broker.Access{Brokers: at, TLS: &broker.TLS{CA: empty + ".gone"}}},
		{"a certificate without a key", "tls.cert", broker.Access{Brokers: at, TLS: &broker.TLS{Cert: empty}}},
		{"a certificate that is none", "tls.cert", broker.Access{Brokers: at, TLS: &broker.TLS{Cert: empty, Key: empty}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.access.Options()
			var fault *cdc.OptionError
			if !errors.As(err, &fault) || fault.Option != c.option || fault.Hint == "" {
				t.Errorf("it ends with %+v, want a fault of %s with a hint", err, c.option)
			}
		})
	}
}

func TestSettingsThatCanBeMeantMakeAClient(t *testing.T) {
	for _, s := range []*broker.SASL{
		nil, {Mechanism: "plain", User: "u", Password: "p"}, {Mechanism: "SCRAM-SHA-256", User: "u", Password: "p"},
		{Mechanism: "scram-sha-512", User: "u", Password: "p"}, {Mechanism: "OAUTHBEARER", Token: "t"},
	} {
		options, err := broker.Access{Brokers: []string{"h:1"}, TLS: &broker.TLS{}, SASL: s}.Options()
		if err != nil || len(options) == 0 {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func TestRefusalsAreToldFromOutages(t *testing.T) {
	if !broker.Denied(errors.Join(errors.New("x"), kerr.SaslAuthenticationFailed)) || !broker.Denied(kerr.TopicAuthorizationFailed) {
		t.Error("a refusal is not told as one")
	}
	if broker.Denied(kerr.NotLeaderForPartition) || broker.Denied(nil) {
		t.Error("an outage is told as a refusal")
	}
}
