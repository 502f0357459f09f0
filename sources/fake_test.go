package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	states "github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// server is a fake API server with one ConfigMap, named like the server. It
// takes the place of the HTTP transport, because sockets do not work in a
// bubble.
type server struct {
	uid  string // of the cluster
	more int    // ConfigMaps beside that one
	mu   sync.Mutex
	asks []string // for what watches asked
	down bool     // it answers nothing
	bare bool     // it has no Secrets
	next func()   // called once by the next request
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	next, down, bare := s.next, s.down, s.bare
	s.next = nil
	s.mu.Unlock()
	if down {
		return nil, errors.New("connection refused")
	}
	if next != nil {
		next()
	}
	answer := func(code int, body io.Reader) (*http.Response, error) {
		return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(body), Request: r}, nil
	}
	switch url := strings.Replace(r.URL.Path, "/namespaces/ns/", "/", 1); url {
	case "/api/v1/namespaces/kube-system":
		return answer(200, strings.NewReader(`{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"kube-system","uid":"`+s.uid+`"}}`))
	case "/version":
		return answer(200, strings.NewReader(`{"major":"1","minor":"36","gitVersion":"v1.36.3"}`))
	case "/api":
		return answer(200, strings.NewReader(`{"kind":"APIVersions","versions":["v1"]}`))
	case "/apis":
		return answer(200, strings.NewReader(`{"kind":"APIGroupList","groups":[{"name":"events.k8s.io",
			"versions":[{"groupVersion":"events.k8s.io/v1","version":"v1"}],"preferredVersion":{"groupVersion":"events.k8s.io/v1","version":"v1"}}]}`))
	case "/apis/events.k8s.io/v1":
		return answer(200, strings.NewReader(`{"kind":"APIResourceList","groupVersion":"events.k8s.io/v1","resources":[
			{"name":"events","singularName":"event","namespaced":true,"kind":"Event","verbs":["get","list","watch"]}]}`))
	case "/api/v1":
		secret := "secret"
		if bare {
			secret = "other"
		}
		return answer(200, strings.NewReader(`{"kind":"APIResourceList","groupVersion":"v1","resources":[
			{"name":"events","singularName":"event","namespaced":true,"kind":"Event","verbs":["get","list","watch"]},
			{"name":"configmaps","singularName":"configmap","namespaced":true,"kind":"ConfigMap","shortNames":["cm"],"verbs":["get","list","watch"]},
			{"name":"`+secret+`s","singularName":"`+secret+`","namespaced":true,"kind":"Secret","verbs":["get","list","watch"]}]}`))
	case "/api/v1/configmaps", "/api/v1/secrets", "/api/v1/events", "/apis/events.k8s.io/v1/events":
		q := r.URL.Query()
		s.mu.Lock()
		s.asks = append(s.asks, fmt.Sprintf("%s from %q", strings.TrimPrefix(url, "/api/v1/"), q.Get("resourceVersion")))
		s.mu.Unlock()
		version := strings.TrimPrefix(path.Dir(url), "/api/")
		version = strings.TrimPrefix(version, "/apis/")
		kind := map[string]string{"configmaps": "ConfigMap", "secrets": "Secret", "events": "Event"}[path.Base(url)]
		body, w := io.Pipe()
		context.AfterFunc(r.Context(), func() { _ = w.CloseWithError(r.Context().Err()) })
		go func() {
			if q.Get("sendInitialEvents") != "" {
				for i := range s.more {
					_, _ = fmt.Fprintf(w, `{"type":"ADDED","object":{"kind":%q,"apiVersion":%q,"metadata":{"name":"more-%d","namespace":"ns","uid":"more-%d","resourceVersion":"4"}}}`+"\n", kind, version, i, i)
				}
				_, _ = fmt.Fprintf(w, `{"type":"ADDED","object":{"kind":%q,"apiVersion":%q,"metadata":{"name":%q,"namespace":"ns","uid":"object-of-%s","resourceVersion":"5"}}}
{"type":"BOOKMARK","object":{"kind":%[1]q,"metadata":{"resourceVersion":"10","annotations":{"k8s.io/initial-events-end":"true"}}}}
`, kind, version, "of-"+s.uid, s.uid)
			}
		}()
		return answer(200, body)
	}
	return answer(404, strings.NewReader(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`))
}

func (s *server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asks)
}

// member returns the server as a member of the fleet.
func (s *server) member(name string) fleet.Member {
	return fleet.Member{Name: name, Source: "from " + s.uid, REST: &rest.Config{Host: "http://" + s.uid, Transport: s}}
}

// fakeQueue hands changes to sinks a moment after they were offered; the newest of
// a key counts.
type fakeQueue struct {
	hold chan struct{} // RemoveCluster waits until it is closed; nil: it does not
	down atomic.Bool   // nothing is delivered
	stop chan struct{}
	done chan struct{}

	mu        sync.Mutex
	waiting   map[pipeline.Key]*pipeline.Change
	delivered []string
	objects   map[pipeline.Key]string // UID and version
	removed   []string
}

func newQueue() *fakeQueue {
	q := &fakeQueue{stop: make(chan struct{}), done: make(chan struct{}), waiting: map[pipeline.Key]*pipeline.Change{}, objects: map[pipeline.Key]string{}}
	go q.run()
	return q
}

func (q *fakeQueue) Offer(_ context.Context, c *pipeline.Change, _ int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting[c.Key] = c
	return nil
}

func (q *fakeQueue) TryOffer(c *pipeline.Change, priority int) error {
	return q.Offer(context.Background(), c, priority)
}

func (q *fakeQueue) WaitRoom(context.Context, string) error { return nil }

func (q *fakeQueue) run() {
	defer close(q.done)
	turn := time.NewTicker(20 * time.Millisecond)
	defer turn.Stop()
	for {
		select {
		case <-turn.C:
		case <-q.stop:
			return
		}
		if q.down.Load() {
			continue
		}
		q.mu.Lock()
		waiting := q.waiting
		q.waiting = map[pipeline.Key]*pipeline.Change{}
		q.mu.Unlock()
		for _, c := range waiting {
			ghosts, safe, _ := c.Origin.Tracker.Begin(c)
			if safe != nil {
				<-safe
			}
			q.mu.Lock()
			for _, ghost := range ghosts {
				q.delivered = append(q.delivered, fmt.Sprintf("deleted %s %s of %s", c.Key.Name, ghost, c.Origin.ClusterUID))
			}
			q.delivered = append(q.delivered, fmt.Sprintf("%s %s %s of %s", c.Op, c.Key.Name, c.UID, c.Origin.ClusterUID))
			if c.Op == pipeline.Deleted {
				delete(q.objects, c.Key)
			} else {
				q.objects[c.Key] = string(c.UID) + "@" + c.ResourceVersion
			}
			q.mu.Unlock()
			c.Origin.Tracker.Ack(c)
		}
	}
}

func (q *fakeQueue) RemoveCluster(ctx context.Context, cluster string) error {
	if q.hold != nil {
		select {
		case <-q.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	maps.DeleteFunc(q.waiting, func(k pipeline.Key, _ *pipeline.Change) bool { return k.Cluster == cluster })
	q.removed = append(q.removed, cluster)
	return nil
}

// told returns what was delivered since the last call.
func (q *fakeQueue) told() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	delivered := q.delivered
	q.delivered = nil
	return delivered
}

// harness runs a Sources.
type harness struct {
	t       *testing.T
	queue   *fakeQueue
	queues  []*fakeQueue // of all routes
	ledger  *ledger.Ledger
	sources *Sources
	removed func() []string // what Options.Removed was told
	stop    func()
}

// start runs a Sources on a ledger in memory.
func start(t *testing.T, specs ...string) *harness {
	t.Helper()
	l, err := ledger.Open(t.Context(), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, l, specs...)
}

func startOn(t *testing.T, l *ledger.Ledger, specs ...string) *harness {
	t.Helper()
	return startFor(t, l, []string{"a"}, specs...)
}

// startFor is startOn with several routes. Queue is that of the first.
func startFor(t *testing.T, l *ledger.Ledger, names []string, specs ...string) *harness {
	t.Helper()
	return startWith(t, l, names, func(*Options) {}, specs...)
}

// startWith is startFor with other options.
func startWith(t *testing.T, l *ledger.Ledger, names []string, change func(*Options), specs ...string) *harness {
	t.Helper()
	parsed, err := stream.ParseSpecs(specs)
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, ledger: l}
	var routes []Route
	for _, name := range names {
		q := newQueue()
		h.queues, routes = append(h.queues, q), append(routes, Route{Name: name, Queue: q})
	}
	h.queue = h.queues[0]
	var mu sync.Mutex
	var removed []string
	h.removed = func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(removed)
	}
	o := Options{
		Config: Config{
			Connection: connection.Config{ReconnectMin: 10 * time.Millisecond, ReconnectMax: time.Second, HealthInterval: time.Second},
			NameHold:   -1,
			Stream:     stream.Config{ReconnectMin: 10 * time.Millisecond, ReconnectMax: time.Second, StaleAfter: 1000 * time.Hour, AuditInterval: -1},
		},
		Specs: parsed, Routes: routes, Ledger: ledger.NewHandle(h.ledger, nil),
		Removed: func(cluster string) {
			h.sources.Status() // it may ask
			mu.Lock()
			defer mu.Unlock()
			removed = append(removed, cluster)
		},
	}
	change(&o)
	h.sources = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.sources.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
		for _, q := range h.queues {
			close(q.stop)
			<-q.done
		}
	})
	t.Cleanup(h.stop)
	return h
}

// pass lets everything happen that takes no longer than a moment.
func pass() {
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

// wantLive checks that these members, and no others, are live with all streams.
func (h *harness) wantLive(names ...string) {
	h.t.Helper()
	pass()
	status := h.sources.Status()
	var got []string
	for _, m := range status {
		got = append(got, m.Connection.Cluster)
		if m.Connection.State != states.Live {
			h.t.Errorf("%s is %s: %s", m.Connection.Cluster, m.Connection.State, m.Connection.LastError)
		}
		for _, st := range m.Streams {
			if st.State != states.Live {
				h.t.Errorf("%s of %s is %s: %s", st.Stream, st.Cluster, st.State, st.LastError)
			}
		}
	}
	if !slices.Equal(got, names) {
		h.t.Fatalf("members are %v, want %v", got, names)
	}
}
