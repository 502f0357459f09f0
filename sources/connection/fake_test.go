package connection

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/leaks"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(leaks.Patient(m)) }

// answer is how a fakeMember answers a request.
type answer func(req *http.Request) (*http.Response, error)

const (
	uidA = "11111111-aaaa-4aaa-8aaa-111111111111"
	uidB = "22222222-bbbb-4bbb-8bbb-222222222222"
)

// fakeMember is a fake: an http.RoundTripper without sockets that stands for a
// member's API server, so that tests can run on synctest's clock. What needs a
// real server is tested in real_test.go.
type fakeMember struct {
	mu      sync.Mutex
	latency time.Duration // of every answer
	answer  answer        // nil: as a healthy server of UID uidA
	probes  []time.Time   // when each identity probe began
	reaches []time.Time   // and each reachability probe
	calls   int           // requests that are no probe
	inside  int           // probes under way
	most    int           // at once
	headers []http.Header // of the probes
}

func (f *fakeMember) RoundTrip(req *http.Request) (*http.Response, error) {
	probe := req.URL.Path == identityPath
	f.mu.Lock()
	if req.Header.Get("Authorization") == "" {
		f.reaches = append(f.reaches, time.Now())
	} else if probe {
		f.probes = append(f.probes, time.Now())
		f.headers = append(f.headers, req.Header.Clone())
		f.inside++
		f.most = max(f.most, f.inside)
	} else if req.URL.Path != "/version" {
		f.calls++
	}
	answer, latency := f.answer, f.latency
	f.mu.Unlock()
	defer func() {
		if probe {
			f.mu.Lock()
			f.inside--
			f.mu.Unlock()
		}
	}()
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	if answer == nil {
		answer = healthy(uidA)
	}
	return answer(req)
}

func (f *fakeMember) set(answer answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func (f *fakeMember) probed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.probes)
}

func (f *fakeMember) called() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *fakeMember) slow(latency time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.latency = latency
}

func (f *fakeMember) times() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Time(nil), f.probes...)
}

func response(req *http.Request, code int, contentType, body string, header ...string) *http.Response {
	h := http.Header{"Content-Type": {contentType}}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: req,
	}
}

func healthy(uid string) answer {
	return func(req *http.Request) (*http.Response, error) {
		switch req.URL.Path {
		case identityPath:
			return response(req, 200, "application/json", fmt.Sprintf(
				`{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"kube-system","uid":%q}}`, uid)), nil
		case "/version":
			return response(req, 200, "application/json", `{"major":"1","minor":"36","gitVersion":"v1.36.3"}`), nil
		}
		return response(req, 200, "application/json", `{}`), nil
	}
}

// refused is a server that nobody listens for.
func refused(*http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("dial tcp 192.0.2.1:6443: connect: %w", syscall.ECONNREFUSED)
}

// silent never answers.
func silent(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// status answers everything with a Status object, as Kubernetes does.
func status(code int, reason metav1.StatusReason) answer {
	details := &metav1.StatusDetails{}
	if code == http.StatusTooManyRequests {
		details.RetryAfterSeconds = 100
	}
	body, err := json.Marshal(metav1.Status{
		Details:  details,
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: string(reason),
	})
	if err != nil {
		panic(err)
	}
	return func(req *http.Request) (*http.Response, error) {
		return response(req, code, "application/json", string(body)), nil
	}
}

func (f *fakeMember) rest() *rest.Config {
	return &rest.Config{Host: "https://member.example", Transport: f, BearerToken: "top-secret-token"}
}

func newConnection(t *testing.T, o Options) *Connection {
	t.Helper()
	if o.Cluster == "" {
		o.Cluster = "a"
	}
	if o.Log.IsZero() {
		o.Log = logr.Discard()
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// running runs c and returns a function that ends it and waits for the end.
func running(t *testing.T, c *Connection) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// bubble runs f in synctest with a connection to a fake member.
func bubble(t *testing.T, config Config, f func(t *testing.T, c *Connection, m *fakeMember)) {
	t.Helper()
	bubbleWith(t, Options{Config: config}, nil, f)
}

// bubbleWith is bubble with more options, and with a member that gives this
// answer from the beginning.
func bubbleWith(t *testing.T, o Options, first answer, f func(t *testing.T, c *Connection, m *fakeMember)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &fakeMember{answer: first}
		o.REST = m.rest()
		c := newConnection(t, o)
		stop := running(t, c)
		defer stop()
		f(t, c, m)
	})
}

func acquire(t *testing.T, c *Connection) *member.Session {
	t.Helper()
	s, err := c.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// call does with s what a user would do.
func call(t *testing.T, s *member.Session) error {
	return s.Calls.Get().AbsPath("/api/v1/pods").MaxRetries(0).Do(t.Context()).Error()
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// dialed waits until the first probe has come to something.
func dialed(c *Connection) {
	for c.Status().State == member.Connecting {
		time.Sleep(time.Millisecond)
	}
}

// settled waits until a suspicion has come to something.
func settled() {
	time.Sleep(DefaultReconnectMin)
	synctest.Wait()
}

func wantState(t *testing.T, c *Connection, want member.State) {
	t.Helper()
	synctest.Wait()
	if s := c.Status(); s.State != want {
		t.Fatalf("state %q (%s, last error %q), want %q", s.State, s.Reason, s.LastError, want)
	}
}
