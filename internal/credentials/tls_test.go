package credentials_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/testca"
)

// place is a folder with the files of a client, and the CAs that signed them.
type place struct {
	dir            string
	servers, users *testca.CA
}

func newPlace(t testing.TB) *place {
	p := &place{dir: t.TempDir(), servers: newCA(t), users: newCA(t)}
	write(t, p.path("ca"), p.servers.PEM())
	p.renew(t, "first")
	return p
}

func newCA(t testing.TB) *testca.CA {
	t.Helper()
	ca, err := testca.New("test")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

// renew gives the client another certificate.
func (p *place) renew(t testing.TB, user string) {
	t.Helper()
	pair, err := p.users.Client(user, nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, p.path("cert"), pair.Cert)
	write(t, p.path("key"), pair.Key)
}

func (p *place) tls() credentials.TLS {
	return credentials.TLS{CA: p.path("ca"), Cert: p.path("cert"), Key: p.path("key"), ServerName: "127.0.0.1"}
}

// handshake connects a client to a server whose certificate this CA signs, and returns
// who the client is to the server.
func (p *place) handshake(t testing.TB, client *tls.Config, signer *testca.CA) (user string, err error) {
	t.Helper()
	pair, err := signer.Server()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	users := x509.NewCertPool()
	users.AppendCertsFromPEM(p.users.PEM())
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	server := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: users})
	ended := make(chan error, 1)
	go func() {
		err := server.HandshakeContext(t.Context())
		if err != nil {
			_ = a.Close()
		}
		ended <- err
	}()
	err = tls.Client(b, client).HandshakeContext(t.Context())
	if err != nil {
		_ = b.Close()
	}
	if err := errors.Join(err, <-ended); err != nil {
		return "", err
	}
	if certs := server.ConnectionState().PeerCertificates; len(certs) > 0 {
		user = certs[0].Subject.CommonName
	}
	return user, nil
}

func TestFilesAreReadAgain(t *testing.T) {
	p := newPlace(t)
	config, err := p.tls().Config()
	if err != nil {
		t.Fatal(err)
	}
	is := func(want string, signer *testca.CA) {
		t.Helper()
		if user, err := p.handshake(t, config, signer); err != nil || user != want {
			t.Errorf("it is %q to the server: %v; want %q", user, err, want)
		}
	}
	is("first", p.servers)
	p.renew(t, "second")
	is("second", p.servers)

	// What is not whole does not take the place of what was.
	good, err := os.ReadFile(p.path("key"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, p.path("key"), good[:len(good)/2])
	is("second", p.servers)
	p.renew(t, "third")
	write(t, p.path("key"), good) // that of another certificate
	is("second", p.servers)
	if err := os.Remove(p.path("cert")); err != nil {
		t.Fatal(err)
	}
	is("second", p.servers)
	p.renew(t, "fourth")
	is("fourth", p.servers)

	// So with the CA.
	write(t, p.path("ca"), nil)
	is("fourth", p.servers)
	other := newCA(t)
	if _, err := p.handshake(t, config, other); err == nil || !strings.Contains(err.Error(), "unknown authority") || !strings.Contains(err.Error(), p.path("ca")) {
		t.Errorf("a server of another CA, while the file is not good: %v", err)
	}
	write(t, p.path("ca"), other.PEM())
	is("fourth", other)
	if _, err := p.handshake(t, config, p.servers); err == nil {
		t.Error("the server of a CA is accepted that is no longer trusted")
	}
}

// Files that are late fail handshakes until they are there, and nothing else.
func TestFilesMayBeLate(t *testing.T) {
	p := newPlace(t)
	late := t.TempDir()
	c := credentials.TLS{CA: filepath.Join(late, "ca"), Cert: filepath.Join(late, "cert"), Key: filepath.Join(late, "key"), ServerName: "127.0.0.1"}
	config, err := c.Late()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ca", "cert", "key"} {
		if _, err := p.handshake(t, config, p.servers); err == nil || !strings.Contains(err.Error(), filepath.Join(late, name)) || !strings.Contains(err.Error(), name+": read") {
			t.Errorf("without %s: %v", name, err)
		}
		text, err := os.ReadFile(p.path(name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(late, name), text)
	}
	if user, err := p.handshake(t, config, p.servers); err != nil || user != "first" {
		t.Errorf("once all are there: %q, %v", user, err)
	}
	if _, err := (credentials.TLS{Cert: "x", ServerName: "h"}).Late(); err == nil {
		t.Error("cert without key")
	}
}

func TestTheServerIsVerified(t *testing.T) {
	p := newPlace(t)
	for name, good := range map[string]bool{
		"127.0.0.1": true, "::1": true, "localhost": true,
		"127.0.0.2": false, "example.com": false,
	} {
		config, err := (credentials.TLS{CA: p.path("ca")}).For(name).Config()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.handshake(t, config, p.servers); (err == nil) != good {
			t.Errorf("as %s: %v", name, err)
		}
	}
	// Without a CA the system's hold, which do not know ours.
	config, err := (credentials.TLS{}).For("localhost").Config()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.handshake(t, config, p.servers); err == nil {
		t.Error("any CA is trusted")
	}
	if got := (credentials.TLS{ServerName: "a"}).For("b").ServerName; got != "a" {
		t.Errorf("the name that was given is replaced by %q", got)
	}
}

func TestConfigRefuses(t *testing.T) {
	p := newPlace(t)
	other := newPlace(t)
	large := write(t, p.path("large"), make([]byte, 1<<20+1))
	with := func(change func(*credentials.TLS)) credentials.TLS {
		c := p.tls()
		change(&c)
		return c
	}
	for name, tc := range map[string]struct {
		tls   credentials.TLS
		wants []string
	}{
		"no name":             {with(func(c *credentials.TLS) { c.ServerName = "" }), []string{"which name"}},
		"no key":              {with(func(c *credentials.TLS) { c.Key = "" }), []string{"without key"}},
		"no cert":             {with(func(c *credentials.TLS) { c.Cert = "" }), []string{"without cert"}},
		"a CA that is gone":   {with(func(c *credentials.TLS) { c.CA += "x" }), []string{"ca: ", p.path("cax")}},
		"a key as CA":         {with(func(c *credentials.TLS) { c.CA = c.Key }), []string{"ca: ", "no certificate"}},
		"a CA that is large":  {with(func(c *credentials.TLS) { c.CA = large }), []string{"ca: ", large, "1048576"}},
		"another's key":       {with(func(c *credentials.TLS) { c.Key = other.path("key") }), []string{p.path("cert"), other.path("key")}},
		"the two exchanged":   {with(func(c *credentials.TLS) { c.Cert, c.Key = c.Key, c.Cert }), []string{p.path("cert")}},
		"a cert that is gone": {with(func(c *credentials.TLS) { c.Cert += "x" }), []string{"cert: ", p.path("certx")}},
		"a key that is gone":  {with(func(c *credentials.TLS) { c.Key += "x" }), []string{"key: ", p.path("keyx")}},
	} {
		_, err := tc.tls.Config()
		for _, want := range tc.wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want an error with %q", name, err, want)
			}
		}
	}
	if _, err := p.tls().Config(); err != nil {
		t.Error(err)
	}
}
