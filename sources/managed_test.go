package sources

import (
	"context"
	"fmt"
	"slices"
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
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources/cache"
	"github.com/fairlead-dev/fairlead/sources/connection"
)

// quick makes connections try again soon.
var quick = connection.Config{ConnectTimeout: 2 * time.Second, ReconnectMin: 50 * time.Millisecond, ReconnectMax: time.Second}

// reconciler notes what it is asked for, and reads it.
type reconciler struct {
	caches *Caches

	mu    sync.Mutex
	seen  map[queue.Request]int
	reads map[queue.Request]error
}

func (r *reconciler) Reconcile(ctx context.Context, req queue.Request) (reconcile.Result, error) {
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

func request(cluster, namespace, name string) queue.Request {
	return queue.Request{Cluster: cluster, NamespacedName: client.ObjectKey{Namespace: namespace, Name: name}}
}

// managed is a manager with one controller over a fleet.
type managed struct {
	*reconciler
	mgr   manager.Manager
	queue *queue.Queue[queue.Request, queue.Request]
}

type kindSource = source.TypedSource[queue.Request]

// manage starts a manager on the hub with a controller that follows ConfigMaps,
// and what more it is given before the start.
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
	m := &managed{mgr: mgr, reconciler: &reconciler{caches: caches, seen: map[queue.Request]int{}, reads: map[queue.Request]error{}}}
	made := make(chan struct{})
	ctrl, err := controller.NewTyped("configmaps", mgr, controller.TypedOptions[queue.Request]{
		Reconciler: m.reconciler,
		NewQueue: queue.FairRequests(ratelimit.New(ratelimit.Limit{}), 0, func(q *queue.Queue[queue.Request, queue.Request]) {
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
		if source := f(caches); source == nil {
			continue
		} else if err := ctrl.Watch(source); err != nil {
			t.Fatal(err)
		}
	}
	run(t, mgr)
	<-made
	return m
}

// run runs a manager until the test ends.
func run(t *testing.T, mgr manager.Manager) {
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
}

// connection tells of a member's connection.
func (m *managed) connection(cluster string) connection.Status {
	for _, s := range m.caches.Connections() {
		if s.Cluster == cluster {
			return s
		}
	}
	return connection.Status{}
}

// followed are the states that a watcher of changes was told of.
type followed struct {
	mu  sync.Mutex
	got []cache.State
}

// take returns those since the last call, each run of the same state once.
func (f *followed) take() []cache.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := slices.Compact(f.got)
	f.got = nil
	return got
}

// follow watches the changes of one member until the test ends.
func (m *managed) follow(t *testing.T, cluster string) *followed {
	f := &followed{}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for s := range m.caches.Changes(ctx) {
			if s.Cluster == cluster {
				f.mu.Lock()
				f.got = append(f.got, s.State)
				f.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return f
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	eventuallyOr(t, what, f, func() string { return "no more is known" })
}

func eventuallyOr(t *testing.T, what string, f func() bool, otherwise func() string) {
	t.Helper()
	poll(t, 5*time.Millisecond, what, f, otherwise)
}

func poll(t *testing.T, every time.Duration, what string, f func() bool, otherwise func() string) {
	t.Helper()
	tick := time.NewTicker(every)
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

// idle waits until the first list of a member is done: the member is live, every
// object in its cache was reconciled, and nothing waits or is in work. An informer
// hands the list out one by one, so that alone may be so in between.
func (m *managed) idle(t *testing.T, cluster string) {
	t.Helper()
	m.becomes(t, cluster, cache.Live)
	c, err := m.caches.Client(cluster)
	if err != nil {
		t.Fatal(err)
	}
	var list corev1.ConfigMapList
	if err := c.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	eventually(t, cluster+" is idle", func() bool {
		for _, o := range list.Items {
			if m.count(cluster, o.Namespace, o.Name) == 0 {
				return false
			}
		}
		for _, l := range m.queue.Lanes() {
			if l.Cluster == cluster {
				return l.Live+l.Snapshot+l.InFlight+l.Delayed == 0
			}
		}
		return false
	})
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
