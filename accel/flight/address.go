package flight

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

// address is where a server is.
type address struct {
	text   string // as it was written
	target string // as gRPC wants it
	secure bool
}

// parseAddress reads the address of a server.
func parseAddress(text string) (address, error) {
	scheme, rest, ok := strings.Cut(text, ":")
	switch {
	case ok && (scheme == "unix" || scheme == "grpc+unix"):
		path := strings.TrimPrefix(rest, "//")
		if path == "" {
			return address{}, fmt.Errorf("read address %q: it names no path", text)
		}
		return address{text: text, target: "unix:" + path}, nil
	case ok && (scheme == "grpc" || scheme == "grpc+tcp" || scheme == "grpc+tls"):
		host := strings.TrimSuffix(strings.TrimPrefix(rest, "//"), "/")
		if _, port, err := net.SplitHostPort(host); err != nil || port == "" {
			return address{}, fmt.Errorf("read address %q: it names no host and port", text)
		}
		return address{text: text, target: "dns:///" + host, secure: scheme == "grpc+tls"}, nil
	}
	return address{}, fmt.Errorf("read address %q: it begins with none of grpc://, grpc+tls:// and unix:", text)
}

// dialing are the options of a connection.
func (a address) dialing(config *tls.Config) []grpc.DialOption {
	secrets := insecure.NewCredentials()
	if a.secure {
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
