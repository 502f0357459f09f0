package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// fakeAPI is as much of an API server as informers of ConfigMaps need, for
// tests in a synctest bubble, where there is no network.
type fakeAPI struct {
	mu       sync.Mutex
	uid      string // of kube-system
	version  int
	objects  map[string]*corev1.ConfigMap
	events   []fakeEvent
	changed  chan struct{} // closed and replaced
	broken   chan struct{} // closed and replaced: watches of now break
	frozen   bool          // watches opened now are silent
	thaw     int           // changes whenever frozen is set: watches from before stay silent for ever
	override func(*http.Request) (*http.Response, error)
	requests map[string]int // by what they were: "list", "initial", "watch"
	tokens   map[string]int
}

type fakeEvent struct {
	version int
	kind    string
	object  *corev1.ConfigMap
}

func newFakeAPI(uid string, names ...string) *fakeAPI {
	f := &fakeAPI{
		uid: uid, version: 100, objects: map[string]*corev1.ConfigMap{}, requests: map[string]int{},
		changed: make(chan struct{}), broken: make(chan struct{}), tokens: map[string]int{},
	}
	for _, name := range names {
		f.put(name)
	}
	return f
}

func (f *fakeAPI) rest(token string) *rest.Config {
	return &rest.Config{Host: "https://fake.invalid", Transport: f, BearerToken: token}
}

func (f *fakeAPI) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

// put creates or updates an object.
func (f *fakeAPI) put(name string) {
	f.set(func() {
		f.version++
		kind := "ADDED"
		if _, ok := f.objects[name]; ok {
			kind = "MODIFIED"
		}
		o := &corev1.ConfigMap{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "default", Name: name, UID: types.UID(f.uid + name), ResourceVersion: strconv.Itoa(f.version),
			},
		}
		f.objects[name] = o
		f.events = append(f.events, fakeEvent{f.version, kind, o})
	})
}

// cut breaks everything and refuses what comes until override is cleared.
func (f *fakeAPI) cut() {
	f.set(func() {
		f.override = func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED }
		close(f.broken)
		f.broken = make(chan struct{})
	})
}

// freeze silences the watches of now for ever, and those to come until restore.
func (f *fakeAPI) freeze() { f.set(func() { f.frozen, f.thaw = true, f.thaw+1 }) }

func (f *fakeAPI) restore() { f.set(func() { f.override, f.frozen = nil, false }) }

func (f *fakeAPI) count(what string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests[what]
}

// total counts all requests, probes as well.
func (f *fakeAPI) total() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, times := range f.tokens {
		n += times
	}
	return n
}

// hang answers nothing.
func hang(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// lists applies an answer to requests for ConfigMaps only.
func lists(answer func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		if strings.HasSuffix(req.URL.Path, "/configmaps") {
			return answer(req)
		}
		return nil, nil
	}
}

func forbidden(req *http.Request) (*http.Response, error) {
	return answer(req, http.StatusForbidden, metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Code: 403, Reason: "Forbidden", Message: "not for you",
	}), nil
}

func answer(req *http.Request, code int, body any) *http.Response {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return &http.Response{
		StatusCode: code, Status: fmt.Sprint(code), ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(text))),
	}
}

// RoundTrip answers a request.
func (f *fakeAPI) RoundTrip(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	override, uid := f.override, f.uid
	f.tokens[req.Header.Get("Authorization")]++
	f.mu.Unlock()
	if override != nil {
		if resp, err := override(req); resp != nil || err != nil {
			return resp, err
		}
	}
	switch req.URL.Path {
	case "/api/v1/namespaces/kube-system":
		return answer(req, 200, metav1.PartialObjectMetadata{
			TypeMeta:   metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadata"},
			ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: types.UID(uid)},
		}), nil
	case "/version":
		return answer(req, 200, map[string]string{"gitVersion": "v1.36.3"}), nil
	case "/api":
		return answer(req, 200, metav1.APIVersions{Versions: []string{"v1"}}), nil
	case "/apis":
		return answer(req, 200, metav1.APIGroupList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "APIGroupList"}}), nil
	case "/api/v1":
		return answer(req, 200, metav1.APIResourceList{GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "configmaps", SingularName: "configmap", Namespaced: true, Kind: "ConfigMap", Verbs: metav1.Verbs{"list", "watch"}},
		}}), nil
	case "/api/v1/configmaps":
		if req.URL.Query().Get("watch") == "true" {
			return f.watch(req)
		}
		return f.list(req), nil
	}
	return answer(req, 404, metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Code: 404, Reason: "NotFound"}), nil
}

func (f *fakeAPI) list(req *http.Request) *http.Response {
	f.mu.Lock()
	defer f.mu.Unlock()
	if req.URL.Query().Get("limit") == "1" {
		f.requests["version"]++
	} else {
		f.requests["list"]++
	}
	l := corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMapList"}}
	l.ResourceVersion = strconv.Itoa(f.version)
	for _, o := range f.objects {
		l.Items = append(l.Items, *o)
	}
	return answer(req, 200, l)
}

func (f *fakeAPI) watch(req *http.Request) (*http.Response, error) {
	q := req.URL.Query()
	from, _ := strconv.Atoi(q.Get("resourceVersion"))
	initial := q.Get("sendInitialEvents") == "true"
	f.mu.Lock()
	kind := "watch"
	if initial {
		kind = "initial"
	}
	f.requests[kind]++
	broken, thaw := f.broken, f.thaw
	var first []fakeEvent
	if initial {
		for _, o := range f.objects {
			first = append(first, fakeEvent{kind: "ADDED", object: o})
		}
		from = f.version
		end := bookmark(f.version)
		end.object.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
		first = append(first, end)
	}
	f.mu.Unlock()
	r, w := io.Pipe()
	stop := context.AfterFunc(req.Context(), func() { _ = r.CloseWithError(req.Context().Err()) })
	go func() {
		defer stop()
		err := f.stream(req, w, first, from, broken, thaw)
		_ = w.CloseWithError(err)
	}()
	resp := answer(req, 200, nil)
	resp.Body = r
	return resp, nil
}

func bookmark(version int) fakeEvent {
	return fakeEvent{kind: "BOOKMARK", object: &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{ResourceVersion: strconv.Itoa(version)},
	}}
}

// stream writes events until the request ends or the server breaks.
func (f *fakeAPI) stream(req *http.Request, w io.Writer, events []fakeEvent, from int, broken <-chan struct{}, thaw int) error {
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		for _, e := range events {
			if err := json.NewEncoder(w).Encode(map[string]any{"type": e.kind, "object": e.object}); err != nil {
				return err
			}
			from = max(from, e.version)
		}
		events = nil
		f.mu.Lock()
		changed := f.changed
		if !f.frozen && f.thaw == thaw {
			for _, e := range f.events {
				if e.version > from {
					events = append(events, e)
				}
			}
		}
		f.mu.Unlock()
		if len(events) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-minute.C:
			f.mu.Lock()
			if !f.frozen && f.thaw == thaw {
				events = append(events, bookmark(f.version))
			}
			f.mu.Unlock()
		case <-broken:
			return io.ErrUnexpectedEOF
		case <-req.Context().Done():
			return errors.New("the client has gone")
		}
	}
}
