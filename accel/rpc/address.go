// Package rpc says how a model server that speaks gRPC is reached, and what its refusals mean.
//
// Of Freshet's packages it may import accel alone.
package rpc

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	// messageMost bounds a message of a server, in bytes; gRPC's own bound of 4 MiB is less than a batch of vectors.
	messageMost = 1 << 30
	// windowSize is what may be on its way before the receiver has looked at it, in bytes.
	windowSize = 8 << 20
)

// Address is where a server is.
type Address struct {
	Text   string // as it was written
	Target string // as gRPC wants it
	Secure bool   // over TLS
}

// ParseAddress reads grpc://host:port, grpc+tls://host:port, unix:/path or grpc+unix:/path.
func ParseAddress(text string) (Address, error) {
	scheme, rest, ok := strings.Cut(text, ":")
	switch {
	case ok && (scheme == "unix" || scheme == "grpc+unix"):
		path := strings.TrimPrefix(rest, "//")
		if path == "" {
			return Address{}, fmt.Errorf("read address %q: it names no path", text)
		}
		return Address{Text: text, Target: "unix:" + path}, nil
	case ok && (scheme == "grpc" || scheme == "grpc+tcp" || scheme == "grpc+tls"):
		host := strings.TrimSuffix(strings.TrimPrefix(rest, "//"), "/")
		if _, port, err := net.SplitHostPort(host); err != nil || port == "" {
			return Address{}, fmt.Errorf("read address %q: it names no host and port", text)
		}
		return Address{Text: text, Target: "dns:///" + host, Secure: scheme == "grpc+tls"}, nil
	}
	return Address{}, fmt.Errorf("read address %q: it begins with none of grpc://, grpc+tls:// and unix:", text)
}

// Dialing are the options of a connection; config says how a server is met over TLS, nil: with the authorities
// of the system.
func (a Address) Dialing(config *tls.Config) []grpc.DialOption {
	secrets := insecure.NewCredentials()
	if a.Secure {
		if config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		secrets = credentials.NewTLS(config)
	}
	return []grpc.DialOption{
		grpc.WithTransportCredentials(secrets),
		grpc.WithInitialWindowSize(windowSize), grpc.WithInitialConnWindowSize(2 * windowSize),
		grpc.WithReadBufferSize(256 << 10), grpc.WithWriteBufferSize(256 << 10),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageMost), grpc.MaxCallSendMsgSize(messageMost)),
	}
}
