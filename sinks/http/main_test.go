package httpsink_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/pipeline"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is one that a test stops and starts on its port.
type server struct {
	URL     string
	t       testing.TB
	port    *loopback.Port
	handler http.Handler
	now     *http.Server
	served  sync.WaitGroup
}

// serve starts a server that ends with the test.
func serve(t testing.TB, handler http.HandlerFunc) *server {
	t.Helper()
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{URL: "http://127.0.0.1:" + strconv.Itoa(port.Number), t: t, port: port, handler: handler}
	s.start()
	t.Cleanup(func() {
		s.stop()
		_ = port.Release()
	})
	return s
}

func (s *server) start() {
	s.t.Helper()
	listener, err := net.Listen("tcp", s.URL[len("http://"):])
	if err != nil {
		s.t.Fatal(err)
	}
	s.now = &http.Server{Handler: s.handler} //nolint:gosec // Only the test talks to it.
	now := s.now
	s.served.Go(func() { _ = now.Serve(listener) })
}

// stop cuts all connections.
func (s *server) stop() {
	_ = s.now.Close()
	s.served.Wait()
}

// receiver keeps events, each once: a request that was broken off may arrive behind its
// repetition, so receivers have to drop repeats by source and id.
type receiver struct {
	*server
	parse func(*http.Request) ([]pipeline.Event, error)

	mu     sync.Mutex
	seen   map[string]bool
	events []pipeline.Event
	refuse func(*pipeline.Change) error
	hang   chan struct{} // answer nothing until it is closed
	waits  bool          // a request has come to that
}

func newReceiver(t testing.TB, parse func(*http.Request) ([]pipeline.Event, error)) *receiver {
	r := &receiver{parse: parse, seen: map[string]bool{}}
	r.server = serve(t, r.take)
	return r
}

func (r *receiver) take(w http.ResponseWriter, request *http.Request) {
	events, err := r.parse(request)
	if err != nil {
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			r.t.Errorf("what arrives is not understood: %.500v", err)
		}
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	hang, refuse := r.hang, r.refuse
	r.waits = r.waits || hang != nil
	r.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-request.Context().Done():
		}
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		if refuse == nil {
			break
		}
		c := &pipeline.Change{Key: e.Key(), ResourceVersion: e.ResourceVersion, Op: e.Op(), Ghost: strings.Contains(e.UID(), "ghost")}
		if err := refuse(c); err != nil {
			w.WriteHeader(map[bool]int{true: http.StatusUnprocessableEntity, false: http.StatusInternalServerError}[pipeline.IsPermanent(err)])
			return
		}
	}
	for _, e := range events {
		if id := e.Source + " " + e.ID + " " + e.Subject; !r.seen[id] {
			r.seen[id] = true
			r.events = append(r.events, e)
		}
	}
	w.WriteHeader(http.StatusAccepted)
}

func (r *receiver) read() []pipeline.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

func (r *receiver) refuseFor(f func(*pipeline.Change) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = f
}

func (r *receiver) hangUntil(c chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hang, r.waits = c, false
}

// isWaitedFor reports whether a request hangs.
func (r *receiver) isWaitedFor() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waits
}

// parseOwn reads the three modes as the specification has them.
func parseOwn(r *http.Request) ([]pipeline.Event, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	switch r.Header.Get("Content-Type") {
	case "application/cloudevents+json; charset=utf-8":
		e, err := pipeline.ParseEvent(body)
		return []pipeline.Event{e}, err
	case "application/cloudevents-batch+json; charset=utf-8":
		var all []json.RawMessage
		if err := json.Unmarshal(body, &all); err != nil {
			return nil, err
		}
		var events []pipeline.Event
		for _, one := range all {
			e, err := pipeline.ParseEvent(one)
			if err != nil {
				return nil, err
			}
			events = append(events, e)
		}
		return events, nil
	}
	event := map[string]any{}
	for name, values := range r.Header {
		if attribute, ok := strings.CutPrefix(name, "Ce-"); ok {
			decoded, err := url.PathUnescape(values[0])
			if err != nil || len(values) != 1 {
				return nil, fmt.Errorf("header %s: %q, %w", name, values, err)
			}
			event[strings.ToLower(attribute)] = typed(attribute, decoded)
		}
	}
	if r.Header.Get("Content-Type") != "" {
		event["datacontenttype"], event["data"] = r.Header.Get("Content-Type"), json.RawMessage(body)
	} else if len(body) > 0 {
		return nil, errors.New("a body without a type")
	}
	text, err := json.Marshal(event)
	if err != nil {
		return nil, err
	}
	e, err := pipeline.ParseEvent(text)
	return []pipeline.Event{e}, err
}

// typed is the value of an attribute, which is a text in a header whatever it is.
func typed(attribute, value string) any {
	switch strings.ToLower(attribute) {
	case "snapshot", "tombstone":
		return value == "true"
	}
	return value
}

// open returns a sink that is closed with the test. Its timeouts are long, because test
// machines may be busy.
func open(t testing.TB, o httpsink.Options) *httpsink.Sink {
	t.Helper()
	o.Timeout, o.DialTimeout = cmp.Or(o.Timeout, 10*time.Minute), time.Minute
	s, err := httpsink.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

var pods = &pipeline.Origin{
	Cluster: "alpha", ClusterUID: "6d1f0b1e", Kind: "Pod", Namespaced: true, Term: 3,
	Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"},
}

// pod is a state of a Pod.
func pod(name string, version int) *pipeline.Change {
	return &pipeline.Change{
		Key:    pipeline.Key{Cluster: "alpha", Resource: "pods", Namespace: "ns", Name: name},
		Origin: pods, Op: pipeline.Updated, UID: "u-1", ResourceVersion: strconv.Itoa(version), Sequence: uint64(1e15) + uint64(version),
		Observed: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Object:   fmt.Appendf(nil, `{"kind":"Pod","metadata":{"name":%q},"spec":{"containers":[{"image":"registry/app:%d"}]}}`, name, version),
	}
}

func batchOf(n int) (batch []*pipeline.Change) {
	for i := range n {
		batch = append(batch, pod(fmt.Sprint("pod-", i), 1))
	}
	return batch
}

// write writes what the sink has no reason to refuse.
func write(t testing.TB, s pipeline.Sink, batch ...*pipeline.Change) {
	t.Helper()
	if err := s.Write(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
}
