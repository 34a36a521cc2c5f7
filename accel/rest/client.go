package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
)

// clientOptions say where a server is and how it is spoken to.
type clientOptions struct {
	// BaseURL is the address below which the paths of the protocol lie. A query in it is sent with every
	// request. http is spoken only where it says so.
	BaseURL string

	// Key is sent with every request; nothing is when it is empty.
	Key Secret

	// KeyHeader is the header that carries the key; Authorization, as a bearer token, when empty.
	KeyHeader string

	// Headers are sent with every request, beside or instead of the key.
	Headers map[string]Secret

	// Timeout is how long one request may take until its reply is complete; 30 s when 0.
	Timeout time.Duration
}

// validate returns every problem of the options, in the words of the flow file.
func (o clientOptions) validate() (*url.URL, error) {
	var problems []error
	base, err := url.Parse(o.BaseURL)
	switch {
	case err != nil:
		problems = append(problems, errors.New("base_url is not a URL"))
	case base.User != nil:
		problems = append(problems, errors.New("base_url holds a user: write the key as api_key"))
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		problems = append(problems,
			fmt.Errorf("base_url %q: want http:// or https://, a host, and the path that its interface lies under", o.BaseURL))
	}
	if o.Timeout < 0 {
		problems = append(problems, fmt.Errorf("timeout %v is negative", o.Timeout))
	}
	if strings.ContainsFunc(string(o.Key), isControl) {
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

// client speaks to one server.
type client struct {
	options clientOptions
	base    *url.URL
	host    string
	http    *http.Client
	buffers sync.Pool // *[]byte: bodies of replies
}

// newClient returns a client, or everything that is wrong with its options. It sends nothing.
func newClient(o clientOptions) (*client, error) {
	base, err := o.validate()
	if err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	return &client{
		options: o,
		base:    base,
		host:    base.Host,
		http:    &http.Client{Transport: newTransport(), CheckRedirect: checkRedirect},
		buffers: sync.Pool{New: func() any { return new([]byte) }},
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

// Close closes the idle connections.
func (c *client) Close() { c.http.CloseIdleConnections() }

// Reply is a complete reply of status 200.
type Reply struct {
	Body      []byte // only until the function that takes it returns
	Type      string // media type, without parameters; empty when the server names none
	Announced []backpressure.Announcement
}

// Post sends a request and hands its reply to take, which says whether it is a correct one. A body longer
// than limit bytes is not read to its end. Errors are [*accel.Error], or that of ctx when it ended first.
func (c *client) Post(ctx context.Context, path string, request any, limit int, take func(Reply) error) error {
	limited, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	err := c.post(limited, path, request, limit, take)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		late := "no complete answer within " + c.options.Timeout.String()
		return &accel.Error{Kind: accel.Unavailable, Message: late}
	}
	return err
}

func (c *client) post(ctx context.Context, path string, request any, limit int, take func(Reply) error) error {
	body, media, err := encode(request)
	if err != nil {
		return &accel.Error{Kind: accel.Rejected, Message: "write the request", Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return c.broken("make a request", err)
	}
	req.Header.Set("Content-Type", media)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "freshet")
	c.sign(req.Header)
	res, err := c.http.Do(req)
	if err != nil {
		return c.broken("ask "+c.host, err)
	}
	defer res.Body.Close()
	return c.read(res, limit, take)
}

// sign adds the key and the headers of the options.
func (c *client) sign(h http.Header) {
	switch {
	case c.options.Key == "":
	case c.options.KeyHeader == "":
		h.Set("Authorization", "Bearer "+string(c.options.Key))
	default:
		h.Set(c.options.KeyHeader, string(c.options.Key))
	}
	for name, value := range c.options.Headers {
		h.Set(name, string(value))
	}
}

// broken is an exchange that ended below the protocol. The URL stays out of it: a query may hold a key.
func (c *client) broken(what string, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return &accel.Error{Kind: accel.Unavailable, Message: what, Err: err}
}
