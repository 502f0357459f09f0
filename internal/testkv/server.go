package testkv

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/child"
	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/internal/testca"
)

// requireEnv is fairleadtest.RequireEnv: with it a test fails where it would be skipped.
const requireEnv = "FAIRLEAD_REQUIRE_CONTROL_PLANE"

// patience is how long a server may take to start, or to do what it is told.
const patience = time.Minute

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
	ca, err := testca.New("testkv")
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

// Server is a server that a test has started.
type Server struct {
	// URL is http[s]://127.0.0.1:PORT.
	URL string

	name, program, dir string
	args               []string
	ready              func(context.Context) error
	client             *http.Client
	process            *child.Process
}

// prepare returns a server that is not started yet, and ends with the test.
func prepare(t testing.TB, name, program string, files *TLS) (*Server, func() int) {
	t.Helper()
	transport := &http.Transport{}
	s := &Server{name: name, program: program, dir: t.TempDir(), client: &http.Client{Transport: transport}}
	scheme := "http"
	if files != nil {
		scheme, transport.TLSClientConfig = "https", files.client
	}
	var ports []*loopback.Port
	port := func() int {
		t.Helper()
		p, err := loopback.Reserve()
		must(t, err)
		ports = append(ports, p)
		return p.Number
	}
	s.URL = fmt.Sprint(scheme, "://127.0.0.1:", port())
	t.Cleanup(func() {
		must(t, s.process.Kill())
		transport.CloseIdleConnections()
		for _, p := range ports {
			must(t, p.Release())
		}
	})
	return s, port
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// begin starts the program.
func (s *Server) begin(t testing.TB) {
	t.Helper()
	var err error
	s.process, err = child.Start(s.name, exec.Command(s.program, s.args...), filepath.Join(s.dir, "log")) //nolint:noctx // It outlives the call that starts it.
	must(t, err)
}

// await waits until the server is ready.
func (s *Server) await(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := s.ready(ctx)
		if err == nil {
			return
		}
		if !s.process.Running() || ctx.Err() != nil {
			t.Fatalf("%s does not start: %v\n%s", s.name, err, s.process.LogTail())
		}
		_ = retry.Sleep(ctx, 20*time.Millisecond)
	}
}

// Start starts a server again that was killed, and waits until it is ready.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.begin(t)
	s.await(t)
}

// Kill ends the server at once. Its port refuses connections until Start.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	must(t, s.process.Kill())
}

// Pause stops the server: connections are accepted, and nothing is answered.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	must(t, s.process.Pause())
}

// Resume ends Pause.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	must(t, s.process.Resume())
}

// Call sends a request with a body of JSON, and decodes the answer into answer unless
// that is nil. Every status but 200 is an error.
func (s *Server) Call(ctx context.Context, method, path string, header map[string]string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, s.URL+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // It was read.
	text, err = io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, strings.TrimSpace(string(text)))
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// missing skips the test, or fails it where the programs are required.
func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv(requireEnv) != "" {
		t.Fatal(err)
	}
	t.Skip(err)
}
