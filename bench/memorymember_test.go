package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/bench/internal/trace"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// memoryMember is a member whose answers are in this process: nothing is measured of sockets
// and servers. It shows one resource of a trace, to one watch at a time. It is a
// stream.Connection and an http.RoundTripper.
type memoryMember struct {
	session *member.Session
	of      *trace.Resource
	watch   *heldBody
}

func newMemoryMember(b *testing.B, of *trace.Resource) *memoryMember {
	b.Helper()
	m := &memoryMember{of: of, watch: newHeldBody(of)}
	config := &rest.Config{Host: "http://memory.invalid", ContentConfig: rest.ContentConfig{NegotiatedSerializer: scheme.Codecs.WithoutConversion()}}
	client := &http.Client{Transport: m}
	watches, err := rest.UnversionedRESTClientForConfigAndClient(config, client)
	if err != nil {
		b.Fatal(err)
	}
	discoverer, err := discovery.NewDiscoveryClientForConfigAndClient(config, client)
	if err != nil {
		b.Fatal(err)
	}
	changed, onChange, _ := member.Validity()
	m.session = &member.Session{
		Cluster: "bench", UID: "bench", Digest: "bench", Watches: watches, Calls: watches, Discovery: discoverer,
		Redact: func(err error) string { return err.Error() }, Changed: changed, OnChange: onChange,
	}
	return m
}

func (m *memoryMember) Acquire(context.Context) (*member.Session, error) { return m.session, nil }
func (m *memoryMember) Report(*member.Session, error)                    {}
func (m *memoryMember) SetStale(string, bool)                            {}

// RoundTrip implements http.RoundTripper.
func (m *memoryMember) RoundTrip(r *http.Request) (*http.Response, error) {
	gv := strings.TrimPrefix(m.of.Group+"/v1", "/")
	answers := map[string]any{
		"/api": map[string]any{"kind": "APIVersions", "versions": []string{"v1"}},
		"/apis": map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": []any{map[string]any{
			"name": m.of.Group, "versions": []any{map[string]string{"groupVersion": gv, "version": "v1"}}, "preferredVersion": map[string]string{"groupVersion": gv, "version": "v1"},
		}}},
	}
	base := "/api/v1"
	if m.of.Group != "" {
		base = "/apis/" + gv
	}
	answers[base] = map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": gv, "resources": []any{map[string]any{
		"name": m.of.Plural, "singularName": strings.ToLower(m.of.Kind), "namespaced": m.of.Namespaced, "kind": m.of.Kind, "verbs": []string{"get", "list", "watch"},
	}}}
	answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r}
	if value, ok := answers[r.URL.Path]; ok {
		text, err := json.Marshal(value)
		answer.Body = io.NopCloser(bytes.NewReader(text))
		return answer, err
	}
	if r.URL.Path != base+"/"+m.of.Plural || r.URL.Query().Get("watch") != "true" {
		return nil, fmt.Errorf("a memory member does not answer %s", r.URL)
	}
	context.AfterFunc(r.Context(), func() { _ = m.watch.Close() })
	answer.Body = m.watch
	return answer, nil
}

// heldBody is the body of a watch. It holds what is live back until release.
type heldBody struct {
	first, then *bytes.Reader
	listed      chan struct{} // closed when all before the release has been read, and more is asked for
	released    chan struct{}
	read        chan struct{} // the same of all after it
	closed      chan struct{}
	onceListed  sync.Once
	onceRead    sync.Once
	onceClosed  sync.Once
}

func newHeldBody(of *trace.Resource) *heldBody {
	bookmark := fmt.Sprintf(`{"type":"BOOKMARK","object":{"kind":%q,"apiVersion":%q,"metadata":{"resourceVersion":%q,"annotations":{"k8s.io/initial-events-end":"true"}}}}`+"\n",
		of.Kind, strings.TrimPrefix(of.Group+"/v1", "/"), of.Version)
	return &heldBody{
		first: bytes.NewReader(append(bytes.Clone(of.Initial), bookmark...)), then: bytes.NewReader(of.Live),
		listed: make(chan struct{}), released: make(chan struct{}), read: make(chan struct{}), closed: make(chan struct{}),
	}
}

// Read implements io.Reader.
func (h *heldBody) Read(to []byte) (int, error) {
	if h.first.Len() > 0 {
		return h.first.Read(to)
	}
	h.onceListed.Do(func() { close(h.listed) })
	select {
	case <-h.released:
	case <-h.closed:
		return 0, io.ErrUnexpectedEOF
	}
	if h.then.Len() > 0 {
		return h.then.Read(to)
	}
	h.onceRead.Do(func() { close(h.read) })
	<-h.closed
	return 0, io.ErrUnexpectedEOF
}

// Close implements io.Closer.
func (h *heldBody) Close() error {
	h.onceClosed.Do(func() { close(h.closed) })
	return nil
}
