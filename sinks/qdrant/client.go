package qdrant

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/freshet/freshet/stream"
)

// client is the connection to a server, over which calls go side by side.
type client struct {
	conn        *grpc.ClientConn
	points      qdrant.PointsClient
	collections qdrant.CollectionsClient
	service     qdrant.QdrantClient
}

// replyBytes bounds a reply: pages are made so that they stay far below.
const replyBytes = 256 << 20

// dial makes the connection, which is opened by the first call and again whenever it breaks.
func (s *Sink) dial() (*client, error) {
	host, encrypted, err := s.o.address()
	if err != nil {
		return nil, err
	}
	trust := insecure.NewCredentials()
	if encrypted {
		config, err := s.o.TLS.config()
		if err != nil {
			return nil, &stream.Problem{Code: "bad_value", Field: "tls", Message: err.Error(), Hint: "name PEM files that can be read"}
		}
		trust = credentials.NewTLS(config)
	} else if s.o.APIKey != "" && !local(host) {
		s.o.Logger.Warn("the api_key is sent unencrypted: use https", "host", host)
	}
	key := s.o.APIKey
	conn, err := grpc.NewClient(host, grpc.WithTransportCredentials(trust),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second}, MinConnectTimeout: 5 * time.Second}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(replyBytes)), grpc.WithDisableServiceConfig(),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if key != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, "api-key", key)
			}
			ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
			defer cancel()
			return invoke(ctx, method, req, reply, cc, opts...)
		}))
	if err != nil {
		return nil, fmt.Errorf("reach qdrant: %w", err)
	}
	return &client{conn: conn, points: qdrant.NewPointsClient(conn), collections: qdrant.NewCollectionsClient(conn), service: qdrant.NewQdrantClient(conn)}, nil
}

func (c *client) close() error { return c.conn.Close() }

func (t TLS) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		text, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("read certificates: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read certificates: %s holds none", t.CA)
		}
	}
	if t.Cert != "" {
		certificate, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}

// local reports whether an address is on this machine.
func local(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Conditional writes came with this version; an older server would take them for unconditional ones.
const (
	leastMajor = 1
	leastMinor = 16
)

// greet makes sure that the server is one that keeps what this package relies on.
func (c *client) greet(ctx context.Context) error {
	reply, err := c.service.HealthCheck(ctx, &qdrant.HealthCheckRequest{})
	if err != nil {
		return err
	}
	parts := strings.SplitN(strings.TrimPrefix(reply.GetVersion(), "v"), ".", 3)
	major, err := strconv.Atoi(parts[0])
	minor := 0
	if err == nil && len(parts) > 1 {
		minor, err = strconv.Atoi(parts[1])
	}
	if err != nil || major < leastMajor || major == leastMajor && minor < leastMinor {
		return &stream.Problem{Code: "server_too_old", Exit: 3, Field: "url", Message: fmt.Sprintf("the server is Qdrant %q", reply.GetVersion()),
			Hint: fmt.Sprintf("use Qdrant %d.%d or later: older ones do not know conditional writes", leastMajor, leastMinor)}
	}
	return nil
}

// missing reports whether a collection is not there.
func missing(err error) bool { return status.Code(err) == codes.NotFound }

// refused reports whether the server will never take what it was sent.
func refused(err error) bool { return status.Code(err) == codes.InvalidArgument }

// describe makes problems of what a user has to mend before the sink can be opened.
func (s *Sink) describe(err error) error {
	var problem *stream.Problem
	if err == nil || errors.As(err, &problem) || errors.Is(err, stream.ErrFenced) {
		return err
	}
	host, _, _ := s.o.address() // New has checked it
	switch status.Code(err) {
	case codes.Unauthenticated, codes.PermissionDenied:
		return &stream.Problem{Code: "access_denied", Exit: 3, Field: "api_key", Message: fmt.Sprintf("qdrant at %s: %s", host, status.Convert(err).Message()),
			Hint: `give a key that may write and make collections: api_key: "${QDRANT_KEY}"`}
	case codes.Unavailable, codes.DeadlineExceeded:
		hint := "start the server, or correct the url"
		if _, port, _ := net.SplitHostPort(host); port == portREST {
			hint = "port 6333 is that of REST; gRPC is at 6334 unless the server is told otherwise"
		}
		return &stream.Problem{Code: "server_unreachable", Exit: 3, Field: "url", Message: fmt.Sprintf("reach qdrant at %s: %s", host, status.Convert(err).Message()), Hint: hint}
	}
	if said, ok := status.FromError(err); ok && said.Code() != codes.Canceled {
		return &stream.Problem{Code: "server_failed", Exit: 3, Field: "url", Message: fmt.Sprintf("qdrant at %s answers %s: %s", host, said.Code(), said.Message()),
			Hint: "look into the server's log, and run it again"}
	}
	return err
}
