package cache

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
)

const (
	listOfTwo = `{"type": "ADDED", "object": {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "x", "namespace": "ns", "resourceVersion": "5"}}}
{"type": "ADDED", "object": {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "y", "namespace": "ns", "resourceVersion": "6"}}}
{"type": "BOOKMARK", "object": {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": "10", "annotations": {"k8s.io/initial-events-end": "true"}}}}
`
	update = `{"type": "MODIFIED", "object": {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "x", "namespace": "ns", "resourceVersion": "11"}}}
`
)

// served is one answer to a watch: what it tells, and how it ends. Without an end
// it stays open.
type served struct {
	text string
	end  error
}

// watched is a fakeConnection to a server with two ConfigMaps, that answers
// watches of them one after the other, the last answer for ever.
type watched struct {
	*fakeConnection

	mu      sync.Mutex
	answers []served
	from    []string // the version each watch went on from; "list" for one that began with a list
}

func newWatched(answers ...served) *watched {
	c := &watched{fakeConnection: newFakeConnection(), answers: answers}
	c.session.CallTransport, c.session.WatchTransport = c, c
	return c
}

func (c *watched) asked() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.from, " ")
}

func (c *watched) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path != "/prefix/api/v1/configmaps" {
		return c.fakeConnection.RoundTrip(req)
	}
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: req}
	if !isWatch(req) { // which version the server has
		resp.Body = io.NopCloser(strings.NewReader(`{"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "20"}}`))
		return resp, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	from := req.URL.Query().Get("resourceVersion")
	if req.URL.Query().Get("sendInitialEvents") == "true" {
		from = "list"
	}
	c.from = append(c.from, from)
	a := c.answers[0]
	if len(c.answers) > 1 {
		c.answers = c.answers[1:]
	}
	r, w := io.Pipe()
	context.AfterFunc(req.Context(), func() { _ = w.CloseWithError(req.Context().Err()) })
	go func() {
		if _, err := io.WriteString(w, a.text); err == nil && a.end != nil {
			_ = w.CloseWithError(a.end)
		}
	}()
	resp.Body = r
	return resp, nil
}

// TestWatchEndsEarly: however early a watch ends, the informer goes on from the
// version it saw last, and does not list anew; also when it takes its time for
// what it was told.
func TestWatchEndsEarly(t *testing.T) {
	reset := errors.New("connection reset by peer")
	for name, test := range map[string]struct {
		answers  []served
		slowness time.Duration // of the informer, to take an object of the list in
		want     string
	}{
		"cut within its list": {
			[]served{{listOfTwo[:len(listOfTwo)/2], reset}, {listOfTwo + update, nil}}, 0, "list list",
		},
		"cut in the middle of the first object of its list": {
			[]served{{listOfTwo[:60], reset}, {listOfTwo + update, nil}}, 0, "list list",
		},
		"cut behind its list": {
			[]served{{listOfTwo, reset}, {update, nil}}, 0, "list 10",
		},
		"cut behind its list, which the informer takes long for": {
			[]served{{listOfTwo, reset}, {update, nil}}, 5 * time.Second, "list 10",
		},
		"closed behind its list": {
			[]served{{listOfTwo, io.EOF}, {update, nil}}, 5 * time.Second, "list 10",
		},
		"cut behind its list and an event": {
			[]served{{listOfTwo + update, reset}, {"", nil}}, 5 * time.Second, "list 11",
		},
		"cut in the middle of its first event behind its list": {
			[]served{{listOfTwo + update[:60], reset}, {update, nil}}, 5 * time.Second, "list 10",
		},
		"cut in the middle of its first event": {
			[]served{{listOfTwo, reset}, {update[:60], reset}, {update, nil}}, 0, "list 10 10",
		},
		"cut before its first event": {
			[]served{{listOfTwo, reset}, {"", reset}, {update, nil}}, 0, "list 10 10",
		},
		"cut after its first event": {
			[]served{{listOfTwo, reset}, {update, reset}, {"", nil}}, 0, "list 10 11",
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn, q := newWatched(test.answers...), newQueue()
			defer q.ShutDown()
			slow := func(o *cluster.Options) {
				o.Cache.DefaultTransform = func(obj any) (any, error) {
					if cm, ok := obj.(*corev1.ConfigMap); ok && cm.Name == "y" {
						time.Sleep(test.slowness)
					}
					return obj, nil
				}
			}
			following(t, Options{Cluster: []cluster.Option{slow}}, conn, func(f *Fleet, ctx context.Context) {
				if err := Kind(f, &corev1.ConfigMap{}, EnqueueRequestForObject).Start(ctx, q); err != nil {
					t.Fatal(err)
				}
			}, func(f *Fleet) {
				time.Sleep(time.Minute)
				if got := conn.asked(); got != test.want {
					t.Errorf("watched from %q, want %q", got, test.want)
				}
				if s := f.State("a"); s.State != Live {
					t.Errorf("status %+v", s)
				}
				c, err := f.Client("a")
				if err != nil {
					t.Fatal(err)
				}
				var list corev1.ConfigMapList
				if err := c.List(t.Context(), &list); err != nil || len(list.Items) != 2 {
					t.Errorf("%d objects: %v", len(list.Items), err)
				}
				for _, o := range list.Items {
					if want := map[string]string{"x": "11", "y": "6"}[o.Name]; o.ResourceVersion != want {
						t.Errorf("%s is at %s, want %s", o.Name, o.ResourceVersion, want)
					}
				}
			})
		})
	}
}
