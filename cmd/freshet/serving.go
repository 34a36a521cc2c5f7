package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// The address that a flow is served at unless --addr names one; where it is taken, one of the ports
// behind it.
const (
	defaultHost  = "127.0.0.1"
	defaultPort  = 7700
	defaultPorts = 20
)

// serving says where a flow answers, and to whom.
type serving struct {
	addr      string // empty: the default, or the next free one
	tokenFile string
	cert, key string
}

func (s *serving) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.addr, "addr", "", fmt.Sprintf("HOST:PORT to serve at (default %s:%d or the next free port)", defaultHost, defaultPort))
	f.StringVar(&s.tokenFile, "token-file", "", "file with the token that requests carry; needed to serve other machines")
	f.StringVar(&s.cert, "tls-cert", "", "PEM file with the certificate to serve with; needed to serve other machines")
	f.StringVar(&s.key, "tls-key", "", "PEM file with the key of --tls-cert")
}

// outlet is an opened listener with what verbs need to find it.
type outlet struct {
	net.Listener
	control control
	remote  bool // others than this machine can reach it
}

// listen opens the listener.
func (s *serving) listen(flow string) (*outlet, error) {
	o := &outlet{control: control{Flow: flow, Token: newToken(), PID: os.Getpid()}}
	if s.tokenFile != "" {
		token, err := readToken(s.tokenFile)
		if err != nil {
			return nil, err
		}
		o.control.Token = token
	}
	certificate, err := s.certificate()
	if err != nil {
		return nil, err
	}
	if o.remote, err = s.reaches(); err != nil {
		return nil, err
	}
	if o.remote && (s.tokenFile == "" || certificate == nil) {
		return nil, usage("give --token-file, --tls-cert and --tls-key, or serve on 127.0.0.1 behind a proxy of your own",
			"%s can be reached from other machines, which needs a token and TLS", s.addr)
	}
	if s.addr == "" {
		o.Listener, err = nextFree()
	} else {
		o.Listener, err = net.Listen("tcp", s.addr)
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, newFault("address_in_use", "name another port with --addr; port 0 takes a free one", "another program listens at %s", s.addr)
	}
	if err != nil {
		return nil, newFault("address_in_use", "name an address of this machine with --addr, such as 127.0.0.1:0", "listen at %s: %v", s.addr, err)
	}
	o.control.Address = dialable(o.Addr())
	if certificate != nil {
		o.control.TLS, o.control.Pin = true, fingerprint(certificate.Certificate[0])
		o.Listener = tls.NewListener(o.Listener, &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12,
			NextProtos: []string{"http/1.1"}})
	}
	return o, nil
}

// nextFree takes the default port or one of those behind it, so that several flows run beside each other.
func nextFree() (net.Listener, error) {
	for port := defaultPort; port < defaultPort+defaultPorts; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort(defaultHost, strconv.Itoa(port)))
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
	}
	return net.Listen("tcp", net.JoinHostPort(defaultHost, "0"))
}

// reaches reports whether the address can be reached from other machines.
func (s *serving) reaches() (bool, error) {
	if s.addr == "" {
		return false, nil
	}
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return false, usage("write --addr HOST:PORT, such as 127.0.0.1:7700 or [::1]:0", "%q is no address", s.addr)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return false, usage("ports are 0 to 65535; 0 takes a free one", "%q is no port", port)
	}
	if ip := net.ParseIP(host); ip != nil {
		return !ip.IsLoopback(), nil
	}
	return host != "localhost", nil
}

// dialable is the address by which this machine reaches a listener, also where it listens everywhere.
func dialable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.To4() == nil {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}

// tokenMin is the least length of a token: shorter ones can be guessed.
const tokenMin = 16

func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", usage("write the token into a file that only you can read", "read token: %v", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < tokenMin || strings.ContainsAny(token, " \t\r\n") {
		return "", usage(fmt.Sprintf("write one word of %d characters or more, such as `openssl rand -hex 24` gives", tokenMin),
			"the token in %s is too short or not one word", path)
	}
	return token, nil
}

// tokenAt says where a person finds the token. Whoever asks from elsewhere is not told of files here.
func (s *serving) tokenAt(state string) string {
	if s.tokenFile != "" {
		return "what the file holds that the flow was started with by --token-file"
	}
	path := controlPath(state)
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	return "the member token of the file " + path + ", which only its owner can read"
}

func (s *serving) certificate() (*tls.Certificate, error) {
	if s.cert == "" && s.key == "" {
		return nil, nil
	}
	if s.cert == "" || s.key == "" {
		return nil, usage("give both --tls-cert and --tls-key", "TLS needs a certificate and its key")
	}
	certificate, err := tls.LoadX509KeyPair(s.cert, s.key)
	if err != nil {
		return nil, usage("name PEM files of a certificate and its key", "read certificate: %v", err)
	}
	return &certificate, nil
}

func fingerprint(certificate []byte) string {
	sum := sha256.Sum256(certificate)
	return hex.EncodeToString(sum[:])
}

// tlsConfig makes sure that the certificate is just the one which the control file names: its name is
// that of the outside, not of the loopback address that a verb asks.
func (k *control) tlsConfig() *tls.Config {
	pin := k.Pin
	return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 || subtle.ConstantTimeCompare([]byte(fingerprint(s.PeerCertificates[0].Raw)), []byte(pin)) != 1 {
			return errors.New("the certificate is not that of the running flow")
		}
		return nil
	}}
}
