package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/apiclient"
	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

const canary = "c4nary-t0ken-of-the-hub"

// fake returns a sink whose hub answers as the function does.
func fake(t *testing.T, answer http.HandlerFunc, change ...func(*Options)) *Sink {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return open(t, &rest.Config{Host: server.URL, BearerToken: canary}, "records", change...)
}

// status is the answer of an API server.
func status(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":%q}`, reason, code, message)
}

// What is wrong with the hub, or with what stands in front of it, is never a reason to
// refuse a change, and no error shows the token, whatever the hub answers.
func TestFailingHubs(t *testing.T) {
	followed := atomic.Bool{}
	for name, answer := range map[string]http.HandlerFunc{
		"401": func(w http.ResponseWriter, r *http.Request) {
			status(w, 401, "Unauthorized", r.Header.Get("Authorization"))
		},
		"403 page": func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, r.Header.Get("Authorization"), http.StatusForbidden)
		},
		"403": func(w http.ResponseWriter, r *http.Request) {
			status(w, 403, "Forbidden", `User "x" cannot create resource "records" `+canary)
		},
		"404 page": func(w http.ResponseWriter, r *http.Request) { http.Error(w, canary, http.StatusNotFound) },
		"404":      func(w http.ResponseWriter, r *http.Request) { status(w, 404, "NotFound", canary) },
		"400 page": func(w http.ResponseWriter, r *http.Request) { http.Error(w, canary, http.StatusBadRequest) },
		"422 page": func(w http.ResponseWriter, r *http.Request) { http.Error(w, newerText, http.StatusUnprocessableEntity) },
		"429": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			status(w, 429, "TooManyRequests", canary)
		},
		"500": func(w http.ResponseWriter, r *http.Request) { status(w, 500, "InternalError", canary) },
		"503": func(w http.ResponseWriter, r *http.Request) { http.Error(w, canary, http.StatusServiceUnavailable) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/elsewhere") {
				followed.Store(true)
			}
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"no HTTP": func(w http.ResponseWriter, r *http.Request) {
			conn, buffer, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = buffer.WriteString(r.Header.Get("Authorization") + "\r\n\r\n")
				_ = buffer.Flush()
				_ = conn.Close()
			}
		},
		"endless": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		},
		"torn": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("{"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := fake(t, answer)
			err := s.Write(t.Context(), []*pipeline.Change{state("a", 1), state("b", 2), gone("c", 3)})
			if _, partial := errors.AsType[*pipeline.BatchError](err); err == nil || partial || pipeline.IsPermanent(err) || strings.Contains(err.Error(), canary) {
				t.Errorf("Write: %v", err)
			}
			if d, ok := pipeline.RetryDelay(err); ok != (name == "429") || ok && d != 7*time.Second {
				t.Errorf("to be tried again after %s, %v", d, ok)
			}
			for _, err := range []error{s.Check(t.Context()), s.ReadBack(t.Context(), "a", "b", func(sinks.Held) error { return nil }), s.sweep(t.Context())} {
				if err == nil || strings.Contains(err.Error(), canary) {
					t.Errorf("Check, ReadBack or sweep: %v", err)
				}
			}
		})
	}
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}

// What the hub does not accept is read again, and what it cannot be reached by.
func TestConfigurationIsReadAgain(t *testing.T) {
	var token atomic.Value
	token.Store("old")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer new" {
			status(w, 401, "Unauthorized", "no")
		}
	}))
	defer server.Close()
	host := "http://127.0.0.1:1"
	s := open(t, nil, "records", func(o *Options) {
		o.Config = func() (*rest.Config, error) { return &rest.Config{Host: host, BearerToken: token.Load().(string)}, nil }
	})
	c := []*pipeline.Change{state("a", 1)}
	if err := s.Write(t.Context(), c); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody is there: %v", err)
	}
	host = server.URL
	if err := s.Write(t.Context(), c); err == nil || !strings.Contains(err.Error(), "credentials") {
		t.Errorf("an old token: %v", err)
	}
	token.Store("new")
	write(t, s, c...)
}

// No more requests are made at once, or in a time, than it is said.
func TestLimits(t *testing.T) {
	var now, most atomic.Int64
	together := make(chan struct{})
	three := sync.OnceFunc(func() { close(together) }) // are under way
	s := fake(t, func(_ http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		if n == 3 {
			three()
		}
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		select {
		case <-together:
		case <-r.Context().Done():
		}
	}, func(o *Options) { o.Connections, o.QPS, o.Burst = 3, 0.001, 50 })
	var batch []*pipeline.Change
	for i := range 50 {
		batch = append(batch, state(fmt.Sprint(i), 1))
	}
	write(t, s, batch...)
	if most.Load() > 3 {
		t.Errorf("%d requests at once", most.Load())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // the next one is due in a quarter of an hour
	defer cancel()
	if _, err := s.client.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: "/"}, 1); err == nil || !strings.Contains(err.Error(), "exceed") {
		t.Error("50 requests have not used up a burst of 50")
	}
}

// Changes of one key are written in order, one after the other.
func TestOrderOfKey(t *testing.T) {
	var under atomic.Int64
	s := fake(t, func(http.ResponseWriter, *http.Request) {
		if under.Add(1) > 1 {
			t.Error("two writes of one key at once")
		}
		under.Add(-1)
	})
	write(t, s, state("a", 1), state("a", 2), state("a", 3), state("a", 4), gone("a", 5))
}

// stuck is a credential plugin that hangs.
type stuck struct{ until chan struct{} }

func (s stuck) RoundTrip(*http.Request) (*http.Response, error) {
	<-s.until
	return nil, errors.New("it has hung")
}

// A write ends with its context although a plugin does not, and no more than so many
// requests hang.
func TestPluginHangs(t *testing.T) {
	until := make(chan struct{})
	var hang atomic.Int64
	config := &rest.Config{Host: "http://127.0.0.1:1", WrapTransport: func(http.RoundTripper) http.RoundTripper {
		hang.Add(1)
		return stuck{until}
	}}
	s := open(t, config, "records", func(o *Options) { o.Connections, o.Timeout = 2, 50*time.Millisecond })
	defer close(until)
	for i := range 6 {
		err := s.Write(t.Context(), []*pipeline.Change{state("a", 1), state("b", 1), state("c", 1)})
		if err == nil || pipeline.IsPermanent(err) {
			t.Fatalf("Write: %v", err)
		}
		if i == 5 && !strings.Contains(err.Error(), "plugin") {
			t.Errorf("Write: %v, want it to tell of the plugin", err)
		}
	}
	if n := s.client.UnderWay(); n != 3 || hang.Load() == 0 {
		t.Errorf("%d requests hang", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Write(ctx, []*pipeline.Change{state("a", 1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Write: %v", err)
	}
}

// Sweeping goes on after a failure, tells of it once, and leaves alone what is no record
// of the sink's.
func TestSweepsOn(t *testing.T) {
	var lists, removed atomic.Int64
	item := func(name, deleted string) string {
		return `{"metadata":{"name":"` + name + `","uid":"u","resourceVersion":"1"},"spec":{"cluster":"a","resource":"b","name":"c","term":"00000000000000000001","sequence":"00000000000000000001","deleted":"` + deleted + `"}}`
	}
	name := RecordName(pipeline.Key{Cluster: "a", Resource: "b", Name: "c"})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := lists.Load(); {
		case r.Method == http.MethodDelete:
			if !strings.HasSuffix(r.URL.Path, "/"+name) {
				t.Errorf("%s is removed", r.URL.Path)
			}
			removed.Add(1)
		case n < 3:
			lists.Add(1)
			status(w, http.StatusInternalServerError, "InternalError", "not now")
		default:
			lists.Add(1)
			_, _ = fmt.Fprintf(w, `{"kind":"RecordList","items":[%s,%s,%s]}`, item(name, "2026-01-01T00:00:00Z"), item("../../../api/v1/nodes/x", "2026-01-01T00:00:00Z"), item(name, "2999-01-01T00:00:00Z"))
		}
	}))
	defer server.Close()
	var mu sync.Mutex
	var said []string
	s, err := newSink(Options{Namespace: "records", Config: func() (*rest.Config, error) { return &rest.Config{Host: server.URL}, nil }, Log: funcr.New(func(_, args string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, args)
	}, funcr.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	s.o.DeletedFor = 40 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	s.sweeping = cancel
	go s.sweepOn(ctx)
	testserver.Poll(t, "two are removed", func() bool { return removed.Load() >= 2 })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if len(said) != 2 || !strings.Contains(said[0], "not now") {
		t.Errorf("the log says %q, want one failure and its end", said)
	}
}
