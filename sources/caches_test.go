package sources

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources/cache"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// quick makes connections try again soon.
var quick = connection.Config{ConnectTimeout: 2 * time.Second, ReconnectMin: 50 * time.Millisecond, ReconnectMax: time.Second}

// reconciler notes what it is asked for, and reads it.
type reconciler struct {
	caches *Caches

	mu    sync.Mutex
	seen  map[pipeline.Request]int
	reads map[pipeline.Request]error
}

func (r *reconciler) Reconcile(ctx context.Context, req pipeline.Request) (reconcile.Result, error) {
	var cm corev1.ConfigMap
	c, err := r.caches.Client(req.Cluster)
	if err == nil {
		err = c.Get(ctx, req.NamespacedName, &cm)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[req]++
	r.reads[req] = err
	return reconcile.Result{}, nil
}

func (r *reconciler) count(cluster, namespace, name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[request(cluster, namespace, name)]
}

func (r *reconciler) total(cluster string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for req, times := range r.seen {
		if req.Cluster == cluster {
			n += times
		}
	}
	return n
}

func request(cluster, namespace, name string) pipeline.Request {
	return pipeline.Request{Cluster: cluster, NamespacedName: client.ObjectKey{Namespace: namespace, Name: name}}
}

// managed is a manager with one controller over a fleet.
type managed struct {
	*reconciler
	mgr   manager.Manager
	queue *pipeline.Queue[pipeline.Request, pipeline.Request]
}

type kindSource = source.TypedSource[pipeline.Request]

// manage starts a manager on the hub with a controller that follows ConfigMaps.
func manage(t *testing.T, hub *rest.Config, o CachesOptions, more ...func(*Caches) kindSource) *managed {
	t.Helper()
	caches, err := NewCaches(o)
	if err != nil {
		t.Fatal(err)
	}
	mgr, err := manager.New(hub, manager.Options{
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: new(true)},
		Logger:     logr.Discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := mgr.Add(caches); err != nil {
		t.Fatal(err)
	}
	m := &managed{mgr: mgr, reconciler: &reconciler{caches: caches, seen: map[pipeline.Request]int{}, reads: map[pipeline.Request]error{}}}
	made := make(chan struct{})
	ctrl, err := controller.NewTyped("configmaps", mgr, controller.TypedOptions[pipeline.Request]{
		Reconciler: m.reconciler,
		NewQueue: pipeline.FairRequests(ratelimit.New(ratelimit.Limit{}), func(q *pipeline.Queue[pipeline.Request, pipeline.Request]) {
			m.queue = q
			close(made)
		}),
		MaxConcurrentReconciles: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := ctrl.Watch(cache.Kind(caches.Fleet, &corev1.ConfigMap{}, cache.EnqueueRequestForObject)); err != nil {
		t.Fatal(err)
	}
	for _, f := range more {
		if err := ctrl.Watch(f(caches)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := mgr.Start(ctx); err != nil {
			t.Errorf("manager: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		mgr.GetHTTPClient().CloseIdleConnections()
	})
	<-made
	return m
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	eventuallyOr(t, what, f, func() string { return "" })
}

func eventuallyOr(t *testing.T, what string, f func() bool, otherwise func() string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(90 * time.Second)
	defer end.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("never: %s; %s", what, otherwise())
		}
	}
}

func (m *managed) becomes(t *testing.T, cluster string, want cache.State) {
	t.Helper()
	eventuallyOr(t, fmt.Sprintf("%s %s", cluster, want), func() bool { return m.caches.State(cluster).State == want },
		func() string { return fmt.Sprintf("%+v", m.caches.State(cluster)) })
}

// clientOf is a client of a cluster that goes around everything under test.
func clientOf(t *testing.T, c *testenv.Cluster) client.Client {
	t.Helper()
	httpClient, err := rest.HTTPClientFor(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(httpClient.CloseIdleConnections)
	made, err := client.New(c.Config(), client.Options{HTTPClient: httpClient})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func configMap(namespace, name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string]string{"v": value}}
}

func create(t *testing.T, c client.Client, namespace, name string) {
	t.Helper()
	if err := c.Create(t.Context(), configMap(namespace, name, "1")); err != nil {
		t.Fatal(err)
	}
}

func TestCaches(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "hub"}, testenv.Spec{Name: "a"})
	hub, a := env.Clusters[0], env.Clusters[1]
	t.Run("cut", func(t *testing.T) { testCut(t, hub, a) })
}

// testCut: reads go on through an outage and say how old they are, calls fail
// at once, and afterwards only what has changed is told.
func testCut(t *testing.T, hub, a *testenv.Cluster) {
	proxy, err := a.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	ns, direct := a.NewNamespace(t), clientOf(t, a)
	for i := range 20 {
		create(t, direct, ns, fmt.Sprint(i))
	}
	m := manage(t, hub.Config(), CachesOptions{Connection: quick})
	m.caches.Set(fleet.Member{Name: "a", REST: proxy.Config()})
	m.becomes(t, "a", cache.Live)
	for i := range 20 {
		eventually(t, "first list", func() bool { return m.count("a", ns, fmt.Sprint(i)) == 1 })
	}
	before := m.total("a")

	proxy.Cut()
	m.becomes(t, "a", cache.BackingOff)
	c, err := m.caches.Client("a")
	if err != nil {
		t.Fatal(err)
	}
	var cm corev1.ConfigMap
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "1"}, &cm); err != nil {
		t.Errorf("read while cut: %v", err)
	}
	if s := m.caches.State("a"); s.Age() == 0 || s.Reason == "" || s.LastError == "" {
		t.Errorf("state %+v", s)
	}
	if err := c.Create(t.Context(), configMap(ns, "lost", "")); !errors.Is(err, cache.ErrClusterUnavailable) {
		t.Errorf("write while cut: %v", err)
	}
	var secrets corev1.SecretList
	if err := c.List(t.Context(), &secrets); !errors.Is(err, cache.ErrClusterUnavailable) {
		t.Errorf("read of something new while cut: %v", err)
	}
	create(t, direct, ns, "new")
	if err := proxy.Restore(); err != nil {
		t.Fatal(err)
	}
	m.becomes(t, "a", cache.Live)
	eventually(t, "the new one", func() bool { return m.count("a", ns, "new") == 1 })
	if got := m.total("a"); got != before+1 {
		t.Errorf("%d reconciles because of a cut, want 1", got-before)
	}
	if err := c.List(t.Context(), &secrets); err != nil {
		t.Errorf("read of something new: %v", err)
	}
}
