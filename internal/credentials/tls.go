package credentials

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/internal/smallfile"
	"github.com/fairlead-dev/fairlead/internal/spec"
)

// TLS says how a client and a server know each other.
type TLS struct {
	// CA is the path of the certificates, PEM, one of which has to have signed the
	// server's. Empty: those that the system trusts.
	CA string
	// Cert and Key are the paths of the client's certificate and of its key, PEM. Both
	// or none.
	Cert, Key string
	// ServerName is the host name or address that the server's certificate has to
	// have. Required by Config.
	ServerName string
}

// Params describes the parameters of a kind that TLSOf reads.
func Params() []spec.Param {
	return []spec.Param{
		{Name: "ca", Type: spec.File, Meaning: "certificates, PEM, that sign the server's; those that the system trusts if not given"},
		{Name: "cert", Type: spec.File, Meaning: "certificate, PEM, that this client shows; with `key`"},
		{Name: "key", Type: spec.File, Meaning: "key of `cert`, PEM"},
		{Name: "server-name", Meaning: "name that the server's certificate has to have; that of the host if not given"},
	}
}

// TLSOf returns what the parameters say. The error tells what does not go together.
func TLSOf(v *spec.Value) (TLS, error) {
	t := TLS{CA: v.Str("ca"), Cert: v.Str("cert"), Key: v.Str("key"), ServerName: v.Str("server-name")}
	return t, t.check()
}

// HTTPOf is TLSOf for a form with spec.HTTP. It returns also what the URL of a host begins with,
// http:// or https://. What is for TLS goes with https:// only.
func HTTPOf(v *spec.Value) (scheme string, t TLS, err error) {
	t, err = TLSOf(v)
	if v.Secure {
		return "https://", t, err
	}
	if !t.IsZero() {
		err = errors.Join(err, errors.New("ca, cert, key and server-name are for TLS; write https:// in place of http://"))
	}
	return "http://", t, err
}

func (t TLS) check() error {
	switch {
	case t.Cert == "" && t.Key != "":
		return errors.New("key is given without cert; give both")
	case t.Cert != "" && t.Key == "":
		return errors.New("cert is given without key; give both")
	}
	return nil
}

// IsZero reports whether nothing is said.
func (t TLS) IsZero() bool { return t == TLS{} }

// For returns a TLS for the server of that host, which is a name or an address
// without a port, unless a name was given.
func (t TLS) For(host string) TLS {
	if t.ServerName == "" {
		t.ServerName = host
	}
	return t
}

// Config reads and checks the files, and returns a configuration for clients of that
// server which reads them again at each handshake.
//
// The configuration is for one ServerName. It verifies the server's certificate in
// VerifyConnection, because RootCAs cannot be replaced. So it has InsecureSkipVerify
// set: leave VerifyConnection and ServerName as they are.
func (t TLS) Config() (*tls.Config, error) {
	c, f, err := t.config()
	if err != nil {
		return nil, err
	}
	if _, _, err := f.trusted(); err != nil {
		return nil, err
	}
	if c.GetClientCertificate != nil {
		if _, err := f.client(nil); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Late is Config for files that may come later: it reads none. What is wrong with them is an
// error of each handshake until it is mended.
func (t TLS) Late() (*tls.Config, error) {
	c, _, err := t.config()
	return c, err
}

func (t TLS) config() (*tls.Config, *files, error) {
	if err := t.check(); err != nil {
		return nil, nil, err
	}
	if t.ServerName == "" {
		return nil, nil, errors.New("it is not said which name the server's certificate has to have")
	}
	f := &files{tls: t}
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         t.ServerName,
		InsecureSkipVerify: true, // verify does it
		VerifyConnection:   f.verify,
	}
	if t.Cert != "" {
		c.GetClientCertificate = f.client
	}
	return c, f, nil
}

// files are those of a TLS, and what was good of them last.
type files struct {
	tls TLS

	mu    sync.Mutex
	cert  *tls.Certificate
	roots *x509.CertPool
}

// trusted returns the certificates that have to sign the server's; nil: the system's.
// If the file is not good now, it returns the last good ones and why.
func (f *files) trusted() (roots *x509.CertPool, stale, err error) {
	if f.tls.CA == "" {
		return nil, nil, nil
	}
	roots, err = readCA(f.tls.CA)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && f.roots != nil {
		return f.roots, err, nil
	}
	f.roots = roots
	return roots, nil, err
}

// FileError is why a file of a TLS is of no use. It holds nothing that a server has sent.
type FileError struct{ error }

// Unwrap returns the error of the file.
func (e *FileError) Unwrap() error { return e.error }

func readCA(path string) (*x509.CertPool, error) {
	text, err := smallfile.Read(path, maxPEM)
	if err != nil {
		return nil, &FileError{fmt.Errorf("ca: %w", err)}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, &FileError{fmt.Errorf("ca: read %s: it holds no certificate; it must be PEM", path)}
	}
	return roots, nil
}

// verify does what crypto/tls does by itself, with the certificates of now.
func (f *files) verify(state tls.ConnectionState) error {
	roots, stale, err := f.trusted()
	if err != nil {
		return err
	}
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server shows no certificate")
	}
	o := x509.VerifyOptions{Roots: roots, DNSName: f.tls.ServerName, Intermediates: x509.NewCertPool()}
	for _, c := range state.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := state.PeerCertificates[0].Verify(o); err != nil {
		return errors.Join(&tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}, stale)
	}
	return nil
}

// client returns the certificate that the client shows: of the files as they are now,
// or the last good one for as long as it is valid.
func (f *files) client(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	cert, err := readPair(f.tls.Cert, f.tls.Key)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		if f.cert != nil && time.Now().Before(f.cert.Leaf.NotAfter) {
			return f.cert, nil
		}
		return nil, err
	}
	f.cert = cert
	return cert, nil
}

func readPair(cert, key string) (*tls.Certificate, error) {
	certPEM, err := smallfile.Read(cert, maxPEM)
	if err != nil {
		return nil, &FileError{fmt.Errorf("cert: %w", err)}
	}
	keyPEM, err := smallfile.Read(key, maxPEM)
	if err != nil {
		return nil, &FileError{fmt.Errorf("key: %w", err)}
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, &FileError{fmt.Errorf("cert %s and key %s: %w; both must be PEM, and belong together", cert, key, err)}
	}
	return &pair, nil // with its Leaf, which X509KeyPair sets
}
