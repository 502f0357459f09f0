package connection

import (
	"bufio"
	"context"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// server is a fake API server on a real socket: it answers probes, keeps
// watches open until the client goes, and remembers who asked.
type server struct {
	*httptest.Server
	release chan struct{} // closed: open watches end

	mu    sync.Mutex
	seen  []*http.Request
	conns map[net.Conn]bool
}

func newServer(t *testing.T, tls bool) *server {
	s := &server{release: make(chan struct{}), conns: map[net.Conn]bool{}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.EnableHTTP2 = true
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch state {
		case http.StateNew:
			s.conns[c] = true
		case http.StateClosed, http.StateHijacked:
			delete(s.conns, c)
		}
	}
	if tls {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func (s *server) serve(w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	s.seen = append(s.seen, req)
	s.mu.Unlock()
	switch strings.TrimPrefix(req.URL.Path, "/prefix") {
	case identityPath, "/version":
		answer, _ := healthy(uidA)(&http.Request{URL: &url.URL{Path: strings.TrimPrefix(req.URL.Path, "/prefix")}})
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(w, answer.Body)
	case "/watch":
		_, _ = io.WriteString(w, "frame\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-req.Context().Done():
		case <-s.release:
		}
	case "/aborted":
		_, _ = io.WriteString(w, "frame\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "/moved":
		http.Redirect(w, req, "/here", http.StatusFound)
	case "/redirect":
		http.Redirect(w, req, "http://elsewhere.example/steal", http.StatusFound)
	case "/huge":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		for range 4 << 10 {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	default:
		_, _ = io.WriteString(w, "{}")
	}
}

func (s *server) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *server) last() *http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[len(s.seen)-1]
}

func (s *server) rest() *rest.Config {
	cfg := &rest.Config{Host: s.URL, BearerToken: "top-secret-token"}
	if s.TLS != nil {
		cfg.CAData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	}
	return cfg
}

// eventually polls, because sockets and goroutines end on their own time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	// Not the test's ctx: in a cleanup that has ended, and would end the wait.
	err := wait.PollUntilContextTimeout(context.Background(), 5*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return ok(), nil
	})
	if err != nil {
		t.Fatalf("never: %s", what)
	}
}

func watch(ctx context.Context, t *testing.T, s *member.Session) io.ReadCloser {
	t.Helper()
	body, err := s.Watches.Get().AbsPath("/watch").MaxRetries(0).Stream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(body).ReadString('\n'); line != "frame\n" {
		t.Fatalf("read %q, %v", line, err)
	}
	return body
}
