package testserver

import (
	"bytes"
	"context"
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
)

// patience is how long a server may take to start, or to do what it is told.
const patience = time.Minute

// Server is a server that a test has started.
type Server struct {
	// URL is http[s]://127.0.0.1:PORT.
	URL string

	// Dir is a folder for its data, Args are its arguments, and Ready fails until it
	// answers. They are set before Start.
	Dir   string
	Args  []string
	Ready func(context.Context) error

	name, program string
	client        *http.Client
	process       *child.Process
}

// Prepare returns a server that is not started yet, and ends with the test. Each call of
// port keeps a further port of 127.0.0.1 for it. TLS is for clients; nil: without.
func Prepare(t testing.TB, name, program string, files *TLS) (s *Server, port func() int) {
	t.Helper()
	transport := &http.Transport{}
	s = &Server{name: name, program: program, Dir: t.TempDir(), client: &http.Client{Transport: transport}}
	scheme := "http"
	if files != nil {
		scheme, transport.TLSClientConfig = "https", files.client
	}
	var ports []*loopback.Port
	port = func() int {
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

// Begin starts the program, and Await waits until it is ready.
func (s *Server) Begin(t testing.TB) {
	t.Helper()
	var err error
	s.process, err = child.Start(s.name, exec.Command(s.program, s.Args...), filepath.Join(s.Dir, "log")) //nolint:noctx // It outlives the call that starts it.
	must(t, err)
}

// Await waits until the server is ready.
func (s *Server) Await(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := s.Ready(ctx)
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
	s.Begin(t)
	s.Await(t)
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

// Missing skips the test because there is no program to start, or fails it where the
// environment variable of that name is set.
func Missing(t testing.TB, env string, err error) {
	t.Helper()
	if os.Getenv(env) != "" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// Poll waits until done says so. What is waited for stands in the test's failure.
func Poll(t testing.TB, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !done() {
		if err := retry.Sleep(ctx, 5*time.Millisecond); err != nil {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}
