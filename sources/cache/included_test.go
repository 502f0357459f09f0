package cache

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	unstructuredv1 "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/util/workqueue"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache/informertest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

type kindQueue = workqueue.TypedRateLimitingInterface[queue.Request]

// hubCluster is a cluster that somebody else runs, which serves only what it is
// told to.
type hubCluster struct {
	cluster.Cluster
	meta.RESTMapper
	cache *informertest.FakeInformers

	mu     sync.Mutex
	serves map[string]bool
}

func (c *hubCluster) GetScheme() *runtime.Scheme     { return scheme.Scheme }
func (c *hubCluster) GetRESTMapper() meta.RESTMapper { return c }
func (c *hubCluster) GetCache() ctrlcache.Cache      { return c.cache }
func (c *hubCluster) serve(kind string, serves bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serves[kind] = serves
}
func (c *hubCluster) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.serves[kind.Kind] {
		return nil, &meta.NoKindMatchError{GroupKind: kind, SearchedVersions: versions}
	}
	return &meta.RESTMapping{GroupVersionKind: kind.WithVersion("v1")}, nil
}

// TestIncludedClusterLacksAKind: what keeps a source from joining a cluster that
// was included is told as for members, and logged once; it joins when it can.
func TestIncludedClusterLacksAKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var lines []string
		logged := func() []string {
			mu.Lock()
			defer mu.Unlock()
			return append([]string(nil), lines...)
		}
		f, err := New(Options{Log: funcr.New(func(_, args string) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, args)
		}, funcr.Options{})})
		if err != nil {
			t.Fatal(err)
		}
		hub := &hubCluster{cache: &informertest.FakeInformers{Scheme: scheme.Scheme}, serves: map[string]bool{"Secret": true}}
		if err := f.Include("hub", hub); err != nil {
			t.Fatal(err)
		}
		if s := f.State("hub"); s.State != Live || s.AsOf != time.Now() {
			t.Errorf("without sources: %+v", s)
		}
		q := newQueue()
		ctx, cancel := context.WithCancel(t.Context())
		start := func(s interface {
			Start(context.Context, kindQueue) error
		}) {
			t.Helper()
			hub.mu.Lock() // it does not tell what it serves, so that nothing joins meanwhile
			defer hub.mu.Unlock()
			if err := s.Start(ctx, q); err != nil {
				t.Fatal(err)
			}
			if s := f.State("hub"); s.State != Syncing {
				t.Errorf("live before the source has joined: %+v", s)
			}
		}
		start(Kind(f, &corev1.Secret{}, EnqueueRequestForObject))
		if s, err := f.WaitLive(t.Context(), "hub"); err != nil || s.State != Live {
			t.Errorf("%+v, %v", s, err)
		}
		if got := logged(); len(got) != 0 {
			t.Errorf("logged %q", got)
		}

		start(Kind(f, &corev1.ConfigMap{}, EnqueueRequestForObject))
		for range 60 {
			time.Sleep(time.Minute)
			s := f.State("hub")
			if s.State != Syncing || !strings.Contains(s.Reason, "ConfigMap") || !strings.Contains(s.Reason, "install its definition") || s.LastError != s.Reason {
				t.Fatalf("lacks the kind: %+v", s)
			}
		}
		if got := logged(); len(got) != 1 || !strings.Contains(got[0], "ConfigMap") || !strings.Contains(got[0], `"cluster"="hub"`) {
			t.Errorf("logged %q", got)
		}
		soon, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		if s, err := f.WaitLive(soon, "hub"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), s.Reason) {
			t.Errorf("%+v, %v", s, err)
		}

		hub.serve("ConfigMap", true)
		if s, err := f.WaitLive(t.Context(), "hub"); err != nil || s.State != Live || s.Reason != "" {
			t.Errorf("%+v, %v", s, err)
		}
		if got := logged(); len(got) != 2 {
			t.Errorf("logged %q", got)
		}
		// Another one lacks it again, and its controller ends.
		hub.serve("ConfigMap", false)
		start(Kind(f, &corev1.ConfigMap{}, EnqueueRequestForObject))
		time.Sleep(time.Hour)
		cancel()
		synctest.Wait()
		if s := f.State("hub"); s.State != Live || len(f.watchers) != 0 {
			t.Errorf("without its source: %+v, %d watch", s, len(f.watchers))
		}
		q.ShutDown()
	})
}

// WaitLive waits for a cluster that is not in the fleet yet, too.
func TestWaitLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := f.WaitLive(t.Context(), "hub")
			ended <- err
		}()
		time.Sleep(time.Hour)
		select {
		case err := <-ended:
			t.Fatalf("ended: %v", err)
		default:
		}
		if err := f.Include("hub", &hubCluster{}); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A source is printed, in a controller's log say, before Start finds out that it
// is incomplete.
func TestStringOfAnIncompleteSource(t *testing.T) {
	var none *unstructuredv1.Unstructured
	for _, s := range []interface {
		String() string
		Start(context.Context, kindQueue) error
	}{
		&kind[*unstructuredv1.Unstructured, queue.Request]{obj: none},
		&kind[*corev1.ConfigMap, queue.Request]{},
		&kind[client.Object, queue.Request]{obj: none},
		&kind[client.Object, queue.Request]{},
	} {
		if got := s.String(); !strings.HasPrefix(got, "fleet kind source: ") {
			t.Errorf("String() = %q", got)
		}
		if err := s.Start(t.Context(), nil); err == nil {
			t.Errorf("%s starts", s)
		}
	}
}
