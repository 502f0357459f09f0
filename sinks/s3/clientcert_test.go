package s3_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log" //nolint:depguard // As net/http wants it.
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/s3"
)

// TestClientCertificate: a store that takes nobody without a certificate gets the one that the
// parameters name. Without it nothing is given up.
func TestClientCertificate(t *testing.T) {
	files := testserver.NewTLS(t)
	certificate, err := tls.LoadX509KeyPair(files.ServerCert, files.ServerKey)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(files.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	stored := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		stored <- r.TLS.PeerCertificates[0].Issuer.CommonName
		w.Header().Set("Etag", `"1"`)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots, MaxVersion: tls.VersionTLS12} // in which a handshake tells whether the certificate is taken
	server.Config.ErrorLog = log.New(io.Discard, "", 0)                                                                                                                // of handshakes that are refused on purpose
	server.StartTLS()
	t.Cleanup(server.Close)

	secrets := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(secrets, []byte("[default]\naws_access_key_id = a\naws_secret_access_key = b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(params string) error {
		t.Helper()
		text := "s3://" + strings.TrimPrefix(server.URL, "https://") + "/bucket?credentials=file&credentials-file=" + secrets + "&ca=" + files.CA + params
		spec, err := sinks.Kinds{s3.Kind()}.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		sink, err := spec.Open(t.Context(), sinks.Env{Registerer: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		defer sink.(io.Closer).Close()
		return sink.Write(t.Context(), []*pipeline.Change{change("a", 1)})
	}
	if err := write("&cert=" + files.ClientCert + "&key=" + files.ClientKey); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	if issuer := <-stored; issuer == "" {
		t.Error("the store does not see who has signed the client's certificate")
	}
	if err := write(""); err == nil || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "remote error: tls: ") {
		t.Errorf("without a certificate: %v", err)
	}
	// One of another CA.
	other := testserver.NewTLS(t)
	if err := write("&cert=" + other.ClientCert + "&key=" + other.ClientKey); err == nil || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "remote error: tls: ") {
		t.Errorf("with a certificate of another CA: %v", err)
	}
	if len(stored) > 0 {
		t.Error("something is stored of one without a certificate")
	}
}
