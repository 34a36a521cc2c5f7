package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet/freshet/accel"
)

// Options names a model and where it is served.
type Options struct {
	// BaseURL is the address below which /embeddings lies, such as https://api.openai.com/v1. A query
	// in it is sent with every request. http is spoken only where it says so.
	BaseURL string

	// Model is the name that the server knows the model by.
	Model string

	// APIKey is sent as a bearer token; none when empty.
	APIKey Secret

	// Dims is the length of the model's vectors. It is expected, not sent: replies with another length
	// are malformed. When it is 0, a reply only has to agree with itself; Probe asks for it.
	Dims int

	// Timeout is how long one request may take until its reply is complete; 30 s when 0.
	Timeout time.Duration

	// Headers are sent with every request, beside or instead of the bearer token.
	Headers map[string]Secret
}

// validate returns every problem of the options, in the words of the flow file.
func (o Options) validate() (*url.URL, error) {
	var problems []error
	base, err := url.Parse(o.BaseURL)
	switch {
	case err != nil:
		problems = append(problems, errors.New("base_url is not a URL"))
	case base.User != nil:
		problems = append(problems, errors.New("base_url holds a user: write the key as api_key"))
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		problems = append(problems,
			fmt.Errorf("base_url %q: want http:// or https://, a host, and the path before /embeddings", o.BaseURL))
	}
	if o.Model == "" {
		problems = append(problems, errors.New("model is missing"))
	}
	if o.Dims < 0 || o.Dims > maxDims {
		problems = append(problems, fmt.Errorf("dims %d: want 1 to %d", o.Dims, maxDims))
	}
	if o.Timeout < 0 {
		problems = append(problems, fmt.Errorf("timeout %v is negative", o.Timeout))
	}
	if strings.ContainsFunc(string(o.APIKey), isControl) {
		problems = append(problems, errors.New("api_key holds a line break or another control character"))
	}
	for name, value := range o.Headers {
		if name == "" || strings.ContainsFunc(name, isNoHeader) {
			problems = append(problems, fmt.Errorf("header %q is not a header name", name))
		}
		if strings.ContainsFunc(string(value), isControl) {
			problems = append(problems, fmt.Errorf("header %q holds a control character", name))
		}
	}
	return base, errors.Join(problems...)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func isNoHeader(r rune) bool { return r <= ' ' || r == ':' || r > '~' }

// Client asks one model.
type Client struct {
	options  Options
	endpoint string
	host     string
	http     *http.Client
	buffers  sync.Pool // *[]byte: bodies of replies
	floats   atomic.Bool
}

var _ accel.Embedder = (*Client)(nil)

// New returns a client for the model of the options, or everything that is wrong with them. It sends
// nothing.
func New(o Options) (*Client, error) {
	base, err := o.validate()
	if err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	return &Client{
		options:  o,
		endpoint: base.JoinPath("embeddings").String(),
		host:     base.Host,
		http:     &http.Client{Transport: newTransport(), CheckRedirect: checkRedirect},
		buffers:  sync.Pool{New: func() any { return new([]byte) }},
	}, nil
}

func newTransport() *http.Transport {
	dialer := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    256, // at least as many as requests are ever in flight
		IdleConnTimeout:        60 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // vectors do not shrink, and a bound on the body stays one
	}
}

// checkRedirect follows a redirect that keeps host, scheme and method, such as one to a path with a
// slash at its end. Any other would carry key and texts elsewhere, or ask without the texts.
func checkRedirect(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	same := next.URL.Host == first.Host && next.URL.Scheme == first.Scheme
	if len(via) > 3 || next.Method != http.MethodPost || !same {
		return http.ErrUseLastResponse
	}
	return nil
}

// Identity returns the model that the options name.
func (c *Client) Identity() accel.Identity {
	return accel.Identity{Provider: "openai", Model: c.options.Model, Dims: c.options.Dims}
}

// Close closes the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Embed asks for the vectors of the texts in one request; see [accel.Embedder]. Bytes of a text that
// are not UTF-8 reach the model as U+FFFD.
func (c *Client) Embed(ctx context.Context, texts []string) (accel.Reply, error) {
	limited, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	plain := c.floats.Load()
	reply, err := c.ask(limited, texts, plain)
	if e, ok := errors.AsType[*accel.Error](err); ok && !plain && isAboutFormat(e) {
		// The server knows no base64. It has refused the request as a whole, so asking again pays
		// nothing twice.
		c.floats.Store(true)
		reply, err = c.ask(limited, texts, true)
	}
	switch {
	case err == nil:
		return reply, nil
	case ctx.Err() != nil:
		return accel.Reply{}, ctx.Err()
	case limited.Err() != nil:
		late := "no complete answer within " + c.options.Timeout.String()
		return accel.Reply{}, &accel.Error{Kind: accel.Unavailable, Message: late}
	}
	return reply, err
}

func isAboutFormat(e *accel.Error) bool {
	return e.Kind == accel.Rejected && strings.Contains(e.Message, "encoding_format")
}

// Probed is what a model says about itself.
type Probed struct {
	Dims  int         // the length of its vectors
	Model string      // the name it gives itself; empty when it gives none
	Usage accel.Usage // what the question cost
}

// Probe asks for the vector of a short fixed text, to learn what the options do not say.
func (c *Client) Probe(ctx context.Context) (Probed, error) {
	reply, err := c.Embed(ctx, []string{"freshet"})
	if err != nil {
		return Probed{Usage: reply.Usage}, err
	}
	return Probed{Dims: len(reply.Vectors[0]), Model: reply.Model, Usage: reply.Usage}, nil
}

// ask sends one request and reads its reply.
func (c *Client) ask(ctx context.Context, texts []string, plain bool) (accel.Reply, error) {
	body, err := c.body(texts, plain)
	if err != nil {
		return accel.Reply{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return accel.Reply{}, c.broken("make a request", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "freshet")
	if c.options.APIKey != "" {
		req.Header.Set("Authorization", "Bearer "+string(c.options.APIKey))
	}
	for name, value := range c.options.Headers {
		req.Header.Set(name, string(value))
	}
	res, err := c.http.Do(req)
	if err != nil {
		return accel.Reply{}, c.broken("ask "+c.host, err)
	}
	defer res.Body.Close()
	return c.read(res, texts)
}

func (c *Client) body(texts []string, plain bool) ([]byte, error) {
	format := "base64"
	if plain {
		format = "float"
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(struct {
		Model  string   `json:"model"`
		Input  []string `json:"input"`
		Format string   `json:"encoding_format"`
	}{c.options.Model, texts, format})
	return out.Bytes(), err
}

// broken is an exchange that ended below the protocol. The URL stays out of it: a query may hold a key.
func (c *Client) broken(what string, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return &accel.Error{Kind: accel.Unavailable, Message: what, Err: err}
}
