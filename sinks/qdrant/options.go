package qdrant

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/freshet/freshet/stream"
)

// Options say where the collection is and how it is made.
type Options struct {
	// URL is the server's address for gRPC, http://host:6334 or https://host:6334; the port is 6334 where it is absent.
	URL string
	// Collection is the name that readers use.
	Collection string
	// APIKey is sent with every call. It is never shown or stored.
	APIKey string
	// TLS says how an https server is trusted.
	TLS TLS
	// Metric is how likeness is measured; the default is [stream.Cosine].
	Metric stream.Metric
	// OnDisk keeps vectors on disk, with a cache, in place of memory.
	OnDisk bool
	// Quantization has searches go over smaller copies of the vectors; the default is [Full], no copies.
	Quantization Quantization
	// M and EfConstruct are the edges of a node of the index and the candidates looked at for them; 0: the server's.
	M, EfConstruct uint64
	// Shards and Replicas of a collection that is made; 0: the server's.
	Shards, Replicas uint32
	// Index names columns whose payload is indexed, for filters.
	Index []string
	// Timeout bounds one exchange with the server: 0 stands for 30 s.
	Timeout time.Duration
	// Logger receives what an operator must know and no call returns. Nil discards it.
	Logger *slog.Logger
}

// TLS names PEM files.
type TLS struct {
	CA         string // certificates to trust; those of the system where it is empty
	Cert, Key  string // our own certificate, for servers that ask for one
	ServerName string // the name in the server's certificate, where it is not the host of the URL
}

// distanceOf is the server's word for a metric.
func distanceOf(m stream.Metric) qdrant.Distance {
	return [...]qdrant.Distance{qdrant.Distance_Cosine, qdrant.Distance_Dot, qdrant.Distance_Euclid}[m%3]
}

// scoreOf turns what the server gives into a score.
func scoreOf(m stream.Metric, s float32) float32 {
	if m == stream.L2 {
		return -s
	}
	return s
}

// Quantization is the kind of the smaller copies that searches go over; the vectors themselves decide in the end.
type Quantization uint8

// The kinds of quantization.
const (
	Full   Quantization = iota // none
	Scalar                     // a byte a number
	Binary                     // a bit a number, for vectors of a thousand numbers and more
)

// String is the name that flow files use.
func (q Quantization) String() string { return [...]string{"none", "scalar", "binary"}[q%3] }

// ParseQuantization returns the quantization of a name.
func ParseQuantization(name string) (Quantization, error) {
	for q := Full; q <= Binary; q++ {
		if q.String() == name {
			return q, nil
		}
	}
	return 0, fmt.Errorf("parse quantization %q: want none, scalar or binary", name)
}

// The default port of Qdrant's gRPC, and that of its REST, which people know better.
const (
	portGRPC = "6334"
	portREST = "6333"
)

// nameMax leaves room for what is added to the name of a physical collection; Qdrant allows 255 bytes.
const nameMax = 120

// address is the host and port of a URL, and whether it is encrypted.
func (o Options) address() (host string, encrypted bool, err error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
		return "", false, &stream.Problem{Code: "bad_value", Field: "url", Message: "the url is no address of a Qdrant server",
			Hint: "write http://host:6334 or https://host:6334, and the key under api_key"}
	}
	port := u.Port()
	if port == "" {
		port = portGRPC
	}
	return net.JoinHostPort(u.Hostname(), port), u.Scheme == "https", nil
}

func (o Options) check() error {
	var faults []error
	fault := func(code, field, hint, format string, args ...any) {
		faults = append(faults, &stream.Problem{Code: code, Field: field, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	host, encrypted, err := o.address()
	switch {
	case o.URL == "":
		fault("missing_key", "url", `give its address for gRPC, such as url: "http://localhost:6334"`, "a qdrant sink needs the url of the server")
	case err != nil:
		faults = append(faults, err)
	case o.TLS != (TLS{}) && !encrypted:
		fault("bad_value", "tls", "write https://"+host, "tls is given for a url that is not encrypted")
	}
	if (o.TLS.Cert == "") != (o.TLS.Key == "") {
		fault("bad_value", "tls", "give both cert and key", "a certificate needs its key")
	}
	switch {
	case o.Collection == "":
		fault("missing_key", "collection", "name it as readers shall, such as collection: docs", "a qdrant sink needs the name of a collection")
	case len(o.Collection) > nameMax || strings.ContainsAny(o.Collection, "<>:\"/\\|?*\x00\x1f"):
		fault("bad_value", "collection", fmt.Sprintf("use letters, digits, - and _, at most %d of them", nameMax), "%.40q is no name of a collection", o.Collection)
	}
	return errors.Join(faults...)
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
