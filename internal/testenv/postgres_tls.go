package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificates are the files of a server that takes TLS, as connection strings name them.
type Certificates struct {
	Root string // of the authority, that the server and its clients are certified by
	dir  string
	key  *ecdsa.PrivateKey
	root *x509.Certificate
}

// Certificates are those of a server with TLS; nil without.
func (s *PostgresServer) Certificates() *Certificates { return s.secrets }

// certify makes an authority and the server's own certificate, for localhost alone and not for 127.0.0.1, and sets the
// server up to ask for certificates of clients.
func (s *PostgresServer) certify(lines map[string]string) error {
	c := &Certificates{Root: filepath.Join(s.dir, "root.crt"), dir: s.dir}
	var err error
	if c.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, c.key.Public(), c.key)
	if err != nil {
		return err
	}
	if c.root, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	if err := writePEM(c.Root, "CERTIFICATE", der, 0o644); err != nil {
		return err
	}
	cert, key, err := c.issue("server", &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		return err
	}
	if s.account.change {
		if err := os.Chown(key, int(s.account.uid), int(s.account.gid)); err != nil {
			return err
		}
	}
	s.secrets = c
	lines["ssl"], lines["ssl_cert_file"], lines["ssl_key_file"], lines["ssl_ca_file"] = "on", "'"+cert+"'", "'"+key+"'", "'"+c.Root+"'"
	return nil
}

// Client makes a certificate that says that whoever shows it is a user.
func (c *Certificates) Client(user string) (cert, key string, err error) {
	return c.issue("client-"+user, &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: user},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

// NamedAddr is [PostgresServer.Addr] under the name that its certificate is made for.
func (s *PostgresServer) NamedAddr() string { return net.JoinHostPort("localhost", fmt.Sprint(s.port)) }

func (c *Certificates) issue(name string, x *x509.Certificate) (cert, key string, err error) {
	x.NotBefore, x.NotAfter, x.KeyUsage = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour), x509.KeyUsageDigitalSignature
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	der, err := x509.CreateCertificate(rand.Reader, x, c.root, private.Public(), c.key)
	if err != nil {
		return "", "", err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", err
	}
	cert, key = filepath.Join(c.dir, name+".crt"), filepath.Join(c.dir, name+".key")
	if err := writePEM(cert, "CERTIFICATE", der, 0o644); err != nil {
		return "", "", err
	}
	return cert, key, writePEM(key, "PRIVATE KEY", secret, 0o600)
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
