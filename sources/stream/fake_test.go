package stream

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// fakeServer is a fake API server for use in a synctest bubble, where sockets
// do not work: it takes the place of the HTTP transport. It answers discovery
// by itself and hands every other call to the test.
type fakeServer struct {
	calls chan *fakeCall
	mu    sync.Mutex
	docs  map[string]string // discovery documents by path
	fails map[string]string // failures by URL
}

func newFakeServer() *fakeServer {
	return &fakeServer{calls: make(chan *fakeCall), docs: map[string]string{
		"/api":  `{"kind":"APIVersions","versions":["v1"]}`,
		"/apis": `{"kind":"APIGroupList","groups":[]}`,
		"/api/v1": `{"kind":"APIResourceList","groupVersion":"v1","resources":[
			{"name":"configmaps","singularName":"configmap","namespaced":true,"kind":"ConfigMap","shortNames":["cm"],"verbs":["list","watch"]},
			{"name":"secrets","singularName":"secret","namespaced":true,"kind":"Secret","verbs":["list","watch"]}]}`,
	}}
}

func (s *fakeServer) set(path, doc string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.docs[path] = doc
}

// unset has the server not know a discovery document any more.
func (s *fakeServer) unset(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.docs, path)
}

// fail has the server answer a request with a failure.
func (s *fakeServer) fail(url string, code int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = map[string]string{url: fmt.Sprintf("%d%s", code, body)}
}

func (s *fakeServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	doc, ok := s.docs[r.URL.Path]
	failure := s.fails[r.URL.RequestURI()]
	s.mu.Unlock()
	c := &fakeCall{Request: r, answer: make(chan *http.Response, 1), failure: make(chan error, 1)}
	switch path := r.URL.Path; {
	case failure != "":
		code, _ := strconv.Atoi(failure[:3])
		c.reply(code, failure[3:])
	case ok:
		c.reply(200, doc)
	case r.URL.Query().Get("limit") == "1" && !s.serves(path):
		c.reply(404, "404 page not found\n", "Content-Type", "text/plain")
	case !strings.HasSuffix(path, "configmaps") && !strings.HasSuffix(path, "secrets"):
		c.reply(404, status(404, "NotFound", ""))
	default:
		select {
		case s.calls <- c:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	select {
	case response := <-c.answer:
		return response, nil
	case err := <-c.failure:
		return nil, err
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// serves reports whether discovery has the resource of a collection.
func (s *fakeServer) serves(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := strings.LastIndexByte(path, '/')
	if before, _, ok := strings.Cut(path, "/namespaces/"); ok {
		return strings.Contains(s.docs[before], fmt.Sprintf("%q", path[at+1:]))
	}
	return strings.Contains(s.docs[path[:at]], fmt.Sprintf("%q", path[at+1:]))
}

// fakeCall is a call that waits for the test to answer.
type fakeCall struct {
	*http.Request
	answer  chan *http.Response
	failure chan error
}

func (c *fakeCall) query() url.Values { return c.URL.Query() }

func (c *fakeCall) kind() string {
	switch q := c.query(); {
	case q.Get("sendInitialEvents") == "true":
		return "streaming list"
	case q.Get("watch") == "true":
		return "watch from " + q.Get("resourceVersion")
	case q.Get("continue") != "":
		return "list at " + q.Get("continue") + " by " + q.Get("limit")
	}
	return "list by " + c.query().Get("limit")
}

func (c *fakeCall) respond(code int, body io.ReadCloser, header ...string) {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	c.answer <- &http.Response{StatusCode: code, Header: h, Body: body, Request: c.Request}
}

func (c *fakeCall) reply(code int, body string, header ...string) {
	c.respond(code, io.NopCloser(strings.NewReader(body)), header...)
}

func (c *fakeCall) fail(err error) { c.failure <- err }

// open answers with a body that the test writes.
func (c *fakeCall) open() *fakeBody {
	r, w := io.Pipe()
	context.AfterFunc(c.Context(), func() { _ = w.CloseWithError(c.Context().Err()) })
	c.respond(200, r)
	return &fakeBody{w, c.as()}
}

// as makes of ConfigMaps what is asked for, as Wigs of some group may be.
func (c *fakeCall) as() *strings.Replacer {
	path := strings.Split(c.URL.Path, "/")
	if len(path) < 5 || path[1] != "apis" || !strings.HasPrefix(path[len(path)-1], "wig") {
		return strings.NewReplacer()
	}
	return strings.NewReplacer(`"kind":"ConfigMap","apiVersion":"v1"`, fmt.Sprintf(`"kind":"Wig","apiVersion":"%s/%s"`, path[2], path[3]))
}

type fakeBody struct {
	w  *io.PipeWriter
	as *strings.Replacer
}

// send writes frames; it returns once the stream has read them, or given up.
func (b *fakeBody) send(frames ...string) {
	_, _ = b.as.WriteString(b.w, strings.Join(frames, "\n")+"\n")
}

func (b *fakeBody) end()           { _ = b.w.Close() }
func (b *fakeBody) fail(err error) { _ = b.w.CloseWithError(err) }

// closed reports whether the stream has closed it; else it waits until the stream reads.
func (b *fakeBody) closed() bool {
	_, err := io.WriteString(b.w, "\n")
	return err != nil
}
func (b *fakeBody) write(text string) { _, _ = io.WriteString(b.w, text) }

func status(code int, reason, message string) string {
	return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":%q,"reason":%q,"code":%d}`, message, reason, code)
}

// event is a watch frame about a ConfigMap in namespace ns; its UID is its
// name's unless given as name@uid.
func event(kind, name string, version int) string {
	return fmt.Sprintf(`{"type":%q,"object":%s}`, kind, configMap(name, version))
}

func configMap(name string, version int) string {
	name, uid, ok := strings.Cut(name, "@")
	if !ok {
		uid = "uid-" + name
	}
	return fmt.Sprintf(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":%q,"namespace":"ns","uid":%q,"resourceVersion":"%d","managedFields":[]},"data":{"k":"v"}}`,
		name, uid, version)
}

func mark(version string) string {
	return fmt.Sprintf(`{"type":"BOOKMARK","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":%q}}}`, version)
}

func endMark(version string) string {
	return fmt.Sprintf(`{"type":"BOOKMARK","object":{"kind":"ConfigMap","metadata":{"resourceVersion":%q,"annotations":{"k8s.io/initial-events-end":"true"}}}}`, version)
}

// fakeConnection hands out one session until that is replaced.
type fakeConnection struct {
	server *fakeServer

	mu      sync.Mutex
	session *member.Session
	end     func()
	reports []error
	stale   map[string]bool
	gone    error
}

func (c *fakeConnection) Acquire(ctx context.Context) (*member.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return c.session, c.gone
}

func (c *fakeConnection) Report(_ *member.Session, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reports = append(c.reports, err)
}

func (c *fakeConnection) SetStale(stream string, stale bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stale[stream] = stale
}

func (c *fakeConnection) isStale() (stale, told bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for stale := range maps.Values(c.stale) {
		return stale, true
	}
	return false, false
}

// lastReport returns what was reported last.
func (c *fakeConnection) lastReport() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.reports) == 0 {
		return nil
	}
	return c.reports[len(c.reports)-1]
}

// renew replaces the session.
func (c *fakeConnection) renew(t *testing.T, clusterUID string) {
	t.Helper()
	c.server.set("/api/v1/namespaces/kube-system", fmt.Sprintf(`{"metadata":{"name":"kube-system","uid":%q}}`, clusterUID))
	c.through(t, &http.Client{Transport: throughConnection{c.server}}, clusterUID)
}

// through replaces the session by one whose calls go through a client.
func (c *fakeConnection) through(t *testing.T, client *http.Client, clusterUID string) {
	t.Helper()
	config := &rest.Config{Host: "http://fake", QPS: -1}
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	calls, err := rest.UnversionedRESTClientForConfigAndClient(config, client)
	if err != nil {
		t.Fatal(err)
	}
	disco, err := discovery.NewDiscoveryClientForConfigAndClient(config, client)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != nil {
		c.end()
	}
	changed, onChange, end := member.Validity()
	c.end = end
	c.session = &member.Session{
		Cluster: "c", UID: clusterUID, Watches: calls, Calls: calls, Discovery: disco, Changed: changed, OnChange: onChange,
	}
}

// throughConnection does what a member's connection does to its answers: a page
// that was not asked for is none of an API server's.
type throughConnection struct{ server http.RoundTripper }

func (c throughConnection) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.server.RoundTrip(req)
	if err == nil && resp.StatusCode/100 == 2 && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		_ = resp.Body.Close()
		const status = `{"kind":"Status","apiVersion":"v1","status":"Failure","code":503,"message":"a page, not what an API server says"}`
		resp.StatusCode, resp.Header = http.StatusServiceUnavailable, http.Header{"Content-Type": {"application/json"}}
		resp.Body = io.NopCloser(strings.NewReader(status))
	}
	return resp, err
}

// fakeQueue is a lane of the given capacity.
type fakeQueue struct {
	changes chan *pipeline.Change
	refuse  chan error
}

func (q *fakeQueue) Offer(ctx context.Context, c *pipeline.Change, priority int) error {
	if want := map[bool]int{true: -100, false: 0}[c.Snapshot]; priority != want {
		return fmt.Errorf("%s offered with priority %d, want %d", c.Key, priority, want)
	}
	select {
	case q.changes <- c:
		return nil
	case err := <-q.refuse:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *fakeQueue) TryOffer(c *pipeline.Change, _ int) error {
	select {
	case q.changes <- c:
		return nil
	default:
		return queue.ErrFull
	}
}

func (q *fakeQueue) WaitRoom(ctx context.Context, _ string) error {
	for len(q.changes) == cap(q.changes) {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// always is the part of a queue without lanes that only matters where they can be
// full.
type always struct{}

func (always) TryOffer(*pipeline.Change, int) error   { return nil }
func (always) WaitRoom(context.Context, string) error { return nil }

// harness runs one stream against fakes. It is to be used in a bubble.
type harness struct {
	t      *testing.T
	server *fakeServer
	conn   *fakeConnection
	queue  *fakeQueue
	ledger *ledger.Ledger
	stream *Stream
	opts   Options
	stop   func() error
}

// newLedger returns a ledger that lives in memory.
func newLedger(t *testing.T) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// start starts a stream; change the options before that with edit.
func start(t *testing.T, edit ...func(*Options)) *harness {
	t.Helper()
	h := &harness{t: t, server: newFakeServer(), ledger: newLedger(t)}
	h.conn = &fakeConnection{server: h.server, stale: map[string]bool{}}
	h.conn.renew(t, "cluster-1")
	h.queue = &fakeQueue{changes: make(chan *pipeline.Change, 1000), refuse: make(chan error)}
	h.opts = Options{Cluster: "c", Spec: Spec{Resource: "cm"}, Connection: h.conn, Routes: []Route{{Name: "a", Queue: h.queue}}, Ledger: h.ledger}
	for _, e := range edit {
		e(&h.opts)
	}
	h.opts.Config.AuditInterval = cmp.Or(h.opts.Config.AuditInterval, -1) // days may pass in a test
	h.run()
	return h
}

// run starts the stream anew.
func (h *harness) run() {
	h.stream = New(h.opts)
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- h.stream.Run(ctx) }()
	h.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	h.t.Cleanup(func() { _ = h.stop() })
}

// call returns the next call, which must be of the given kind.
func (h *harness) call(kind string) *fakeCall {
	h.t.Helper()
	select {
	case c := <-h.server.calls:
		if got := c.kind(); got != kind {
			h.t.Fatalf("call is a %s, want a %s", got, kind)
		}
		return c
	case <-time.After(time.Hour):
		h.t.Fatalf("no call for an hour, want a %s; status: %+v", kind, h.stream.Status())
	}
	return nil
}

// quiet fails if there is a call within d.
func (h *harness) quiet(d time.Duration) {
	h.t.Helper()
	select {
	case c := <-h.server.calls:
		h.t.Fatalf("unexpected %s", c.kind())
	case <-time.After(d):
	}
}

// want takes the next changes from the queue and compares what they say. With
// ack they are delivered.
func (h *harness) want(ack bool, changes ...string) {
	h.t.Helper()
	synctest.Wait()
	for i, want := range changes {
		var c *pipeline.Change
		select {
		case c = <-h.queue.changes:
		default:
			h.t.Fatalf("no change, want %q; status: %+v", changes[i:], h.stream.Status())
		}
		ghosts := ""
		if ack {
			for _, other := range begin(c) {
				ghosts += " instead of " + string(other)
			}
		}
		if got := describe(c) + ghosts; got != want {
			h.t.Errorf("change is %q, want %q", got, want)
		}
		if ack {
			c.Origin.Tracker.Ack(c)
		}
	}
	select {
	case c := <-h.queue.changes:
		h.t.Fatalf("unexpected change %q after %q", describe(c), changes)
	default:
	}
}

func describe(c *pipeline.Change) string {
	text := fmt.Sprintf("%s %s %s@%s", c.Op, c.Key.Name, c.UID, c.ResourceVersion)
	if c.Snapshot {
		text += " snapshot"
	}
	if c.Tombstone {
		text += " tombstone"
	}
	if c.Object == nil {
		return text + " nothing"
	}
	if bytes.Contains(c.Object, []byte("managedFields")) {
		text += " with managedFields"
	}
	return text
}

func (h *harness) wantState(state member.State) Status {
	h.t.Helper()
	synctest.Wait()
	s := h.stream.Status()
	if s.State != state {
		h.t.Fatalf("state is %q, want %q; status: %+v", s.State, state, s)
	}
	return s
}

// live takes a stream through its first snapshot, of the objects a and b at
// version 1 and 2, both acked, which ends at version 10.
func (h *harness) live() *fakeBody {
	h.t.Helper()
	body := h.call("streaming list").open()
	body.send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("10"))
	h.want(true, "added a uid-a@1 snapshot", "added b uid-b@2 snapshot")
	h.wantState(member.Live)
	return body
}

// age lets a stream be live for so long that its next end is not taken for a
// failure.
func age() { time.Sleep(liveFor) }

// cursor returns the cursor of the first route.
func (h *harness) cursor() *ledger.Cursor {
	_, cursor, err := h.stream.cursorOf("a")
	if err != nil {
		h.t.Fatal(err)
	}
	return cursor
}

// begin is what a worker does before it hands c to sinks.
func begin(c *pipeline.Change) (ghosts []types.UID) {
	ghosts, safe, _ := c.Origin.Tracker.Begin(c)
	if safe != nil {
		<-safe
	}
	return ghosts
}
