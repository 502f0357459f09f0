package cache

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// scripted is a fakeConnection to a server that gives other answers to some
// paths; an answer without a code is the fakeConnection's, and one
// with a negative code an error.
type scripted struct {
	*fakeConnection
	answer func(path string, watch bool) (code int, body string)
}

func newScripted(answer func(path string, watch bool) (int, string)) *scripted {
	c := &scripted{newFakeConnection(), answer}
	c.session.CallTransport, c.session.WatchTransport = c, c
	return c
}

func (c *scripted) RoundTrip(req *http.Request) (*http.Response, error) {
	code, body := c.answer(strings.TrimPrefix(req.URL.Path, "/prefix"), isWatch(req))
	if code == 0 {
		return c.fakeConnection.RoundTrip(req)
	}
	if code < 0 {
		return nil, errors.New(body)
	}
	resp := &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Request: req}
	resp.Body = io.NopCloser(strings.NewReader(body))
	if isWatch(req) && code == http.StatusOK { // stays open
		r, w := io.Pipe()
		context.AfterFunc(req.Context(), func() { _ = w.CloseWithError(req.Context().Err()) })
		go func() { _, _ = io.WriteString(w, body) }()
		resp.Body = r
	}
	return resp, nil
}

// owned is a first list of one ConfigMap with owners.
const owned = `{"type": "ADDED", "object": {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "x", "namespace": "ns", "resourceVersion": "5", "ownerReferences": [
	{"apiVersion": "apps/v1beta1", "kind": "Deployment", "name": "d"}, {"apiVersion": "v1", "kind": "Node", "name": "n"}]}}}
{"type": "BOOKMARK", "object": {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": "10", "annotations": {"k8s.io/initial-events-end": "true"}}}}
`

// following runs a fleet of one member in a bubble.
func following(t *testing.T, o Options, conn Connection, source func(*Fleet, context.Context), check func(*Fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		source(f, ctx)
		wg.Go(func() {
			if err := f.Follow(ctx, "a", conn); err != nil {
				t.Error(err)
			}
		})
		check(f)
	})
}

// TestOwnerUnknownAtFirst: nothing is lost of a member that cannot tell yet
// what the owners are.
func TestOwnerUnknownAtFirst(t *testing.T) {
	for _, test := range []struct {
		owner client.Object
		want  types.NamespacedName
	}{
		{&appsv1.Deployment{}, types.NamespacedName{Namespace: "ns", Name: "d"}},
		{&corev1.Node{}, types.NamespacedName{Name: "n"}},
	} {
		var knows, asked atomic.Bool
		conn := newScripted(func(path string, watch bool) (int, string) {
			switch {
			case path == "/apis" && knows.Load():
				return 200, `{"kind": "APIGroupList", "apiVersion": "v1", "groups": [{"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}]}]}`
			case path == "/apis/apps/v1":
				return 200, `{"kind": "APIResourceList", "groupVersion": "apps/v1", "resources": [{"name": "deployments", "kind": "Deployment", "namespaced": true}]}`
			case path == "/api/v1" && knows.Load():
				return 200, `{"kind": "APIResourceList", "groupVersion": "v1", "resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": true}, {"name": "nodes", "kind": "Node"}]}`
			case watch:
				asked.Store(true)
				return 200, owned
			}
			return 0, ""
		})
		q := newQueue()
		following(t, Options{}, conn, func(f *Fleet, ctx context.Context) {
			if err := Kind(f, &corev1.ConfigMap{}, EnqueueRequestForOwner[*corev1.ConfigMap](test.owner)).Start(ctx, q); err != nil {
				t.Fatal(err)
			}
		}, func(f *Fleet) {
			time.Sleep(time.Minute)
			if s := f.State("a"); s.State != Syncing || !strings.Contains(s.Reason, "resource of the owner") {
				t.Errorf("%T: %+v", test.owner, s)
			}
			knows.Store(true)
			time.Sleep(time.Minute)
			if q.Len() != 1 {
				t.Fatalf("%T: %d requests, asked for a list: %v", test.owner, q.Len(), asked.Load())
			}
			got, _ := q.Get()
			q.Done(got)
			if want := (queue.Request{Cluster: "a", NamespacedName: test.want}); got != want {
				t.Errorf("request %v, want %v", got, want)
			}
			if s := f.State("a"); s.State != Live {
				t.Errorf("%T: %+v", test.owner, s)
			}
		})
		q.ShutDown()
	}
}

type stranger struct{ corev1.ConfigMap }

// TestHandlerPanics: a handler that cannot be made is told of, once, and ends
// nothing.
func TestHandlerPanics(t *testing.T) {
	for name, h := range map[string]Handler[*corev1.ConfigMap, queue.Request]{
		"unknown owner": EnqueueRequestForOwner[*corev1.ConfigMap](&stranger{}),
		"panic": func(string, cluster.Cluster) handler.TypedEventHandler[*corev1.ConfigMap, queue.Request] {
			panic("as if")
		},
		"none": func(string, cluster.Cluster) handler.TypedEventHandler[*corev1.ConfigMap, queue.Request] {
			return nil
		},
	} {
		var lines atomic.Int64
		log := funcr.New(func(_, args string) {
			if strings.Contains(args, "cannot be made") {
				lines.Add(1)
			}
		}, funcr.Options{})
		q := newQueue()
		conn := newScripted(func(_ string, watch bool) (int, string) {
			if watch {
				return 200, owned
			}
			return 0, ""
		})
		following(t, Options{Log: log}, conn, func(f *Fleet, ctx context.Context) {
			if err := Kind(f, &corev1.ConfigMap{}, h).Start(ctx, q); err != nil {
				t.Fatal(err)
			}
		}, func(f *Fleet) {
			time.Sleep(time.Minute)
			if s := f.State("a"); s.State != Syncing || !strings.Contains(s.Reason, "its handler panicked") || lines.Load() != 1 {
				t.Errorf("%s: %+v, %d lines", name, s, lines.Load())
			}
		})
		q.ShutDown()
	}
}

// TestStartOfUnknownKind: what no member can ever have is an error at once.
func TestStartOfUnknownKind(t *testing.T) {
	f, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	q := newQueue()
	defer q.ShutDown()
	if err := Kind(f, &stranger{}, EnqueueRequestForObject).Start(t.Context(), q); err == nil {
		t.Error("no error")
	}
	if len(f.engagers) != 0 {
		t.Error("it is enlisted")
	}
}
