package http

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet/freshet/cdc"
)

// Options say where changes are pushed to, and what they are.
type Options struct {
	Listen string       // host:port; port 0 takes a free one
	Schema []cdc.Column // the columns of a row
	Key    []string     // names of those that are its key
	// Token is what requests carry as a bearer token. Only a listener that this machine alone can reach may go without.
	Token string
	// Cert and Key are PEM files; empty: requests are not encrypted.
	CertFile, KeyFile string
	// MaxBody bounds the body of a request, in bytes; 0 stands for 8 MiB.
	MaxBody int64
	// Wait is how long a request waits to be durable before it is answered 503; 0 stands for 30 s.
	Wait   time.Duration
	Logger *slog.Logger
}

func badOption(option, hint, format string, args ...any) error {
	return &cdc.OptionError{Option: option, Err: fmt.Errorf(format, args...), Hint: hint}
}

// tokenMin is the least length of a token: shorter ones can be guessed.
const tokenMin = 16

// reserved are members of an element that are not columns. The last three are those of the sink jsonl, whose lines can
// be pushed as they are; but for the key of a delete they are passed over.
var reserved = []string{"_op", "_key", "_version", "_source"}

// settle checks the options and sets defaults.
func (o *Options) settle() error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxBody == 0 {
		o.MaxBody = 8 << 20
	}
	if o.Wait == 0 {
		o.Wait = 30 * time.Second
	}
	var faults []error
	fault := func(err error) { faults = append(faults, err) }
	host, port, err := net.SplitHostPort(o.Listen)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 0 || n > 65535 {
		fault(badOption("listen", "write HOST:PORT, such as 127.0.0.1:8000", "%q is no address to listen at", o.Listen))
	} else if o.Token == "" && !loopback(host) {
		fault(badOption("token", `give one: token: "${PUSH_TOKEN}", such as openssl rand -hex 24 gives; or listen at 127.0.0.1`, "others can reach %s, which needs a token", o.Listen))
	}
	if o.Token != "" && (len(o.Token) < tokenMin || strings.ContainsAny(o.Token, " \t\r\n")) {
		fault(badOption("token", fmt.Sprintf("use one word of %d characters or more, such as openssl rand -hex 24 gives", tokenMin), "the token is too short, or not one word"))
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		fault(badOption("tls", "give both cert and key", "TLS needs a certificate and its key"))
	} else if o.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile); err != nil {
			fault(badOption("tls", "name PEM files of a certificate and its key", "read certificate: %w", err))
		}
	}
	if o.MaxBody < 0 || o.MaxBody > bodyMost {
		fault(badOption("max_body", "use up to 256MiB; push more at a time in several requests", "a body of %d bytes is out of bounds", o.MaxBody))
	}
	return errors.Join(append(faults, o.checkSchema()...)...)
}

// bodyMost bounds MaxBody: a body is held in memory.
const bodyMost = 256 << 20

func (o *Options) checkSchema() []error {
	var faults []error
	fault := func(err error) { faults = append(faults, err) }
	if len(o.Schema) == 0 {
		fault(badOption("schema", `name the columns with their types, such as schema: {id: int, title: "string?"}`, "an http source needs a schema"))
	}
	if len(o.Key) == 0 {
		fault(badOption("key", "name the columns of the key, such as key: [id]", "an http source needs a key"))
	}
	var names []string
	for _, c := range o.Schema {
		if slices.Contains(names, c.Name) {
			fault(badOption("schema", "name each column once", "the column %s is there twice", c.Name))
		}
		if slices.Contains(reserved, c.Name) {
			fault(badOption("schema", "give the column another name", "%s says what is done to a row and can be no column", c.Name))
		}
		names = append(names, c.Name)
	}
	for i, name := range o.Key {
		at := slices.Index(names, name)
		switch {
		case at < 0:
			fault(badOption("key", "name columns of the schema", "the schema has no column %s", name))
		case !cdc.Keyable(o.Schema[at].Type.Kind):
			fault(badOption("key", "a key is made of texts, numbers, times and the like", "%s is %s and cannot be part of a key", name, o.Schema[at].Type))
		case slices.Contains(o.Key[:i], name):
			fault(badOption("key", "name each column once", "the column %s is there twice", name))
		}
	}
	return faults
}

// schema is that of the rows. What is part of the key is never null.
func (o *Options) schema() *cdc.Schema {
	s := &cdc.Schema{Columns: slices.Clone(o.Schema)}
	for _, name := range o.Key {
		at := s.Index(name)
		s.Columns[at].Type.Nullable = false
		s.Key = append(s.Key, at)
	}
	return s
}

// loopback reports whether a host is this machine and nothing else.
func loopback(host string) bool {
	ip := net.ParseIP(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
