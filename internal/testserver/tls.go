package testserver

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testca"
)

// TLS are the files of a server with TLS, and of its clients.
type TLS struct {
	CA                    string // of servers and clients
	ServerCert, ServerKey string
	ClientCert, ClientKey string // without a common name

	client *tls.Config
}

// NewTLS makes files in a folder of the test's.
func NewTLS(t testing.TB) *TLS {
	t.Helper()
	ca, err := testca.New("testserver")
	must(t, err)
	server, err := ca.Server()
	must(t, err)
	client, err := ca.Client("", nil)
	must(t, err)
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, text, 0o600))
		return path
	}
	pair, err := tls.X509KeyPair(client.Cert, client.Key)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	return &TLS{
		CA:         file("ca.crt", ca.PEM()),
		ServerCert: file("server.crt", server.Cert), ServerKey: file("server.key", server.Key),
		ClientCert: file("client.crt", client.Cert), ClientKey: file("client.key", client.Key),
		client: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}},
	}
}
