package flight

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"
)

// DefaultTimeout is how long a worker may be silent while it is at a request.
const DefaultTimeout = time.Minute

// DefaultCredits is how many requests a worker takes at once where it does not say: one that it computes, and
// one that is there when it is done.
const DefaultCredits = 2

// Options say where a worker is: either Command or Addresses is set.
type Options struct {
	// Command is a program and its arguments, started in Dir. Its environment is that of this process, and
	// what Env gives besides; it is asked at each start, and may be nil.
	Command []string
	Dir     string
	Env     func() []string

	// Addresses are those of servers that all serve the same: grpc://host:port, grpc+tls://host:port,
	// unix:/path or grpc+unix:/path.
	Addresses []string
	// TLS is how servers with grpc+tls are met; nil: with the system's authorities.
	TLS *tls.Config

	// Timeout is how long the worker may be silent while it is at a request; DefaultTimeout.
	Timeout time.Duration

	// Logger is told what a child says; nil is silence.
	Logger *slog.Logger
}

func (o *Options) environ() []string {
	all := os.Environ()
	if o.Env != nil {
		all = append(all, o.Env()...)
	}
	return all
}

// carrier takes requests to a worker and replies back. Its errors are *accel.Error or those of ctx.
type carrier interface {
	// describe asks the worker what it serves.
	describe(ctx context.Context) (Description, error)
	// exchange sends a request and gives the parts of its reply to take, in the order in which they come. An
	// error of take ends it.
	exchange(ctx context.Context, r *request, take taker) error
	// Close lets the worker go. What is asked afterwards opens it anew.
	Close() error
}

// Client is a worker, wherever it runs.
type Client struct {
	carrier carrier
}

// New makes a client. It starts and reaches nothing yet.
func New(o Options) (*Client, error) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case len(o.Command) > 0 && len(o.Addresses) > 0:
		return nil, errors.New("make client: a worker is either a command or an address")
	case len(o.Command) > 0:
		if slices.Contains(o.Command, "") {
			return nil, errors.New("make client: a word of the command is empty")
		}
		return &Client{carrier: newPipe(&o)}, nil
	case len(o.Addresses) == 0:
		return nil, errors.New("make client: there is neither a command nor an address")
	}
	s, err := newStreams(&o)
	if err != nil {
		return nil, err
	}
	return &Client{carrier: s}, nil
}

// Describe asks the worker what it serves. A child is started for it, and ended again.
func (c *Client) Describe(ctx context.Context) (Description, error) {
	d, err := c.carrier.describe(ctx)
	if err != nil {
		return Description{}, fmt.Errorf("ask worker what it serves: %w", err)
	}
	return d, nil
}

// Close ends the child, or the connections. A client that is asked again opens them anew.
func (c *Client) Close() error { return c.carrier.Close() }
