package httpsink_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log" //nolint:depguard // As net/http wants it.
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/testca"
	"github.com/fairlead-dev/fairlead/pipeline"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// secure starts a server with TLS and HTTP/2.
func secure(t testing.TB, config *tls.Config, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.TLS, s.EnableHTTP2 = config, true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func newCA(t testing.TB) *testca.CA {
	t.Helper()
	ca, err := testca.New("test")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func certificate(t testing.TB, pair testca.KeyPair, err error) tls.Certificate {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	c, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestConformanceOverHTTP2 runs the suite with TLS, certificates of both sides and HTTP/2.
func TestConformanceOverHTTP2(t *testing.T) {
	ca := newCA(t)
	pair, err := ca.Server()
	serverCert := certificate(t, pair, err)
	user, err := ca.Client("fairlead", nil)
	certificate(t, user, err)
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(ca.PEM())
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
				r := newReceiver(t, parseOwn)
				url := secure(t, &tls.Config{Certificates: []tls.Certificate{serverCert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}, func(w http.ResponseWriter, request *http.Request) {
					if request.ProtoMajor != 2 || request.TLS.PeerCertificates[0].Subject.CommonName != "fairlead" {
						t.Errorf("%s by %v", request.Proto, request.TLS.PeerCertificates[0].Subject)
					}
					r.take(w, request)
				})
				return open(t, httpsink.Options{
					URL: url, Format: mode, CAFile: file(t, "ca", string(ca.PEM())),
					CertFile: file(t, "cert", string(user.Cert)), KeyFile: file(t, "key", string(user.Key)),
				}), r.read
			})
		})
	}
}

// A file that comes late is named, also where the text of an answer is not to be shown, and
// costs no search for a change that is refused.
func TestFilesOfTLSThatAreNotThere(t *testing.T) {
	ca := newCA(t)
	pair, err := ca.Server()
	url := secure(t, &tls.Config{Certificates: []tls.Certificate{certificate(t, pair, err)}}, func(http.ResponseWriter, *http.Request) {})
	secret := pod("db", 1)
	secret.Key.Resource, secret.Object = "secrets", []byte(`{"data":{"password":"aHVudGVyMg=="}}`)
	nowhere := t.TempDir() + "/ca"
	sink := open(t, httpsink.Options{URL: url, Format: httpsink.Batch, CAFile: nowhere})
	for range 5 {
		err := sink.Write(t.Context(), []*pipeline.Change{secret, pod("a", 1)})
		if _, partial := errors.AsType[*pipeline.BatchError](err); err == nil || partial || !strings.Contains(err.Error(), "ca: read: open "+nowhere) {
			t.Errorf("without the file: %v", err)
		}
	}
}

// TestAServerThatDoesNotReadHTTP2 is TestAServerThatDoesNotRead over HTTP/2.
func TestAServerThatDoesNotReadHTTP2(t *testing.T) {
	ca := newCA(t)
	pair, err := ca.Server()
	url := secure(t, &tls.Config{Certificates: []tls.Certificate{certificate(t, pair, err)}}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	sink := open(t, httpsink.Options{URL: url, Format: httpsink.Binary, CAFile: file(t, "ca", string(ca.PEM()))})
	for range 10 {
		c := pod("large", 1)
		c.Object = []byte(`{"k":"` + strings.Repeat("x", 4<<20) + `"}`)
		if err := sink.Write(t.Context(), []*pipeline.Change{c}); err == nil {
			t.Error("it is accepted")
		}
		clear(c.Object)
	}
}

// TestCertificatesThatAreNotGood: the error names what is wrong and what to do.
func TestCertificatesThatAreNotGood(t *testing.T) {
	ca := newCA(t)
	pair, err := ca.Server()
	good := certificate(t, pair, err)
	old, oldPEM := expired(t)
	for name, test := range map[string]struct {
		cert       tls.Certificate
		ca         string
		serverName string
		want       string
	}{
		"expired":     {old, oldPEM, "", "certificate has expired"},
		"another CA":  {good, string(newCA(t).PEM()), "", "unknown authority"},
		"other name":  {good, string(ca.PEM()), "elsewhere.example", "not elsewhere.example"},
		"all is well": {good, string(ca.PEM()), "", ""},
	} {
		url := secure(t, &tls.Config{Certificates: []tls.Certificate{test.cert}}, func(http.ResponseWriter, *http.Request) {})
		sink := open(t, httpsink.Options{URL: url, CAFile: file(t, "ca", test.ca), ServerName: test.serverName})
		for what, err := range map[string]error{"Write": sink.Write(t.Context(), batchOf(1)), "Check": sink.Check(t.Context())} {
			if test.want == "" {
				if err != nil {
					t.Errorf("%s: %s: %v", name, what, err)
				}
				continue
			}
			if err == nil || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "renew the server's certificate, or check ca and server-name") {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
	}
}

// expired returns a certificate that was good until yesterday, and signs itself.
func expired(t testing.TB) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "old"}, NotBefore: now.AddDate(0, 0, -2), NotAfter: now.AddDate(0, 0, -1),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
