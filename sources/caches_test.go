package sources

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
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
	t.Run("bad members", func(t *testing.T) { testBadMembers(t, hub, a) })
	t.Run("token rotation", func(t *testing.T) { testRotation(t, hub, a) })
	t.Run("kinds and handlers", func(t *testing.T) { testKinds(t, hub, a) })
	t.Run("add and remove", func(t *testing.T) { testRounds(t, hub, a) })
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

// testBadMembers: one down from the start, one that may not list, one that
// hangs; the manager starts, and the hub and a good one are served.
func testBadMembers(t *testing.T, hub, a *testenv.Cluster) {
	ns, hubNS := a.NewNamespace(t), hub.NewNamespace(t)
	create(t, clientOf(t, a), ns, "x")
	create(t, clientOf(t, hub), hubNS, "x")
	m := manage(t, hub.Config(), CachesOptions{Connection: quick, Cache: cache.Config{CacheSyncTimeout: time.Second}})
	if err := m.caches.Include("hub", m.mgr); err != nil {
		t.Fatal(err)
	}
	down, err := a.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	down.Cut()
	hanging, err := a.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	if err := hanging.BlackHole(); err != nil {
		t.Fatal(err)
	}
	nobody, err := a.User("nobody", "system:authenticated")
	if err != nil {
		t.Fatal(err)
	}
	m.caches.Set(fleet.Member{Name: "down", REST: down.Config()})
	m.caches.Set(fleet.Member{Name: "hanging", REST: hanging.Config()})
	m.caches.Set(fleet.Member{Name: "nobody", REST: nobody})
	m.caches.Set(fleet.Member{Name: "good", REST: a.Config()})
	for _, name := range []string{"down", "hanging", "nobody"} {
		m.becomes(t, name, cache.BackingOff)
	}
	eventually(t, "the good one", func() bool { return m.count("good", ns, "x") == 1 })
	eventually(t, "the hub", func() bool { return m.count("hub", hubNS, "x") == 1 })
	m.becomes(t, "hub", cache.Live)
	c, err := m.caches.Client("nobody")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "x"}, &corev1.ConfigMap{}); !errors.Is(err, cache.ErrClusterUnavailable) {
		t.Errorf("read of what may not be listed: %v", err)
	}
	// What it may do, it still can.
	review := &authorizationv1.SelfSubjectAccessReview{}
	if err := c.Create(t.Context(), review); !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) && err != nil {
		t.Errorf("call of a member with unsynced caches: %v", err)
	}
	if err := down.Restore(); err != nil {
		t.Fatal(err)
	}
	if err := hanging.Restore(); err != nil {
		t.Fatal(err)
	}
	m.caches.Set(fleet.Member{Name: "nobody", REST: a.Config()})
	for _, name := range []string{"down", "hanging", "nobody"} {
		m.becomes(t, name, cache.Live)
		eventually(t, name, func() bool { return m.count(name, ns, "x") == 1 })
	}
}

// testRotation: another user takes over while objects change.
func testRotation(t *testing.T, hub, a *testenv.Cluster) {
	ns, direct := a.NewNamespace(t), clientOf(t, a)
	create(t, direct, ns, "x")
	m := manage(t, hub.Config(), CachesOptions{Connection: quick})
	m.caches.Set(fleet.Member{Name: "a", REST: a.Config()})
	m.becomes(t, "a", cache.Live)
	eventually(t, "first list", func() bool { return m.count("a", ns, "x") == 1 })
	before := m.total("a")
	for i := range 5 {
		other, err := a.User(fmt.Sprint("admin-", i), "system:masters")
		if err != nil {
			t.Fatal(err)
		}
		m.caches.Set(fleet.Member{Name: "a", REST: other})
		name := fmt.Sprint("new-", i)
		create(t, direct, ns, name)
		eventually(t, name, func() bool { return m.count("a", ns, name) == 1 })
	}
	m.becomes(t, "a", cache.Live)
	if got := m.total("a") - before; got != 5 {
		t.Errorf("%d reconciles of five changes", got)
	}
}

// testKinds: metadata, unstructured and mapped objects, and owners.
func testKinds(t *testing.T, hub, a *testenv.Cluster) {
	ns, direct := a.NewNamespace(t), clientOf(t, a)
	owner := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "owner"}}
	if err := direct.Create(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "owned", OwnerReferences: []metav1.OwnerReference{
		{APIVersion: "v1", Kind: "Secret", Name: "owner", UID: owner.UID},
	}}}
	if err := direct.Create(t.Context(), sa); err != nil {
		t.Fatal(err)
	}
	secrets := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
	namespaces := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
	m := manage(t, hub.Config(), CachesOptions{Connection: quick},
		func(c *Caches) kindSource {
			return cache.Kind(c.Fleet, secrets, cache.EnqueueRequestsFromMapFunc(
				func(_ context.Context, cluster string, o *metav1.PartialObjectMetadata) []pipeline.Request {
					return []pipeline.Request{request(cluster, o.Namespace, "mapped-"+o.Name)}
				}))
		},
		func(c *Caches) kindSource {
			return cache.Kind(c.Fleet, namespaces, cache.EnqueueRequestForObject)
		},
		func(c *Caches) kindSource {
			return cache.Kind(c.Fleet, &corev1.ServiceAccount{}, cache.EnqueueRequestForOwner[*corev1.ServiceAccount](&corev1.Secret{}))
		})
	m.caches.Set(fleet.Member{Name: "a", REST: a.Config()})
	for _, want := range []pipeline.Request{request("a", ns, "mapped-owner"), request("a", "", ns), request("a", ns, "owner")} {
		eventually(t, want.String(), func() bool { return m.count(want.Cluster, want.Namespace, want.Name) > 0 })
	}
	m.becomes(t, "a", cache.Live)

	// Reads of each kind, and of one that is not there.
	c, err := m.caches.Client("a")
	if err != nil {
		t.Fatal(err)
	}
	got := secrets.DeepCopy()
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(owner), got); err != nil || got.UID != owner.UID {
		t.Errorf("metadata: %v, %v", got, err)
	}
	list := &corev1.ServiceAccountList{}
	if err := c.List(t.Context(), list, client.InNamespace(ns)); err != nil || len(list.Items) != 1 {
		t.Errorf("list: %v, %v", list, err)
	}
	missing := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "nobody.example/v1", "kind": "Thing"}}
	if err := c.Get(t.Context(), client.ObjectKey{Name: "x"}, missing); !meta.IsNoMatchError(err) {
		t.Errorf("kind that does not exist: %v", err)
	}
	// A copy of the config is good for other clients.
	cl, err := m.caches.Cluster("a")
	if err != nil {
		t.Fatal(err)
	}
	clientset, err := kubernetes.NewForConfig(cl.GetConfig())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clientset.CoreV1().Secrets(ns).Get(t.Context(), "owner", metav1.GetOptions{}); err != nil {
		t.Errorf("clientset: %v", err)
	}
	if v, err := clientset.Discovery().ServerVersion(); err != nil || v.GitVersion == "" {
		t.Errorf("discovery: %v, %v", v, err)
	}
}

// testRounds: fifty rounds of a member leave memory where it was.
func testRounds(t *testing.T, hub, a *testenv.Cluster) {
	ns, direct := a.NewNamespace(t), clientOf(t, a)
	for i := range 200 {
		cm := configMap(ns, fmt.Sprint(i), strings.Repeat("x", 2000))
		if err := direct.Create(t.Context(), cm); err != nil {
			t.Fatal(err)
		}
	}
	m := manage(t, hub.Config(), CachesOptions{Connection: quick})
	round := func() {
		m.caches.Set(fleet.Member{Name: "a", REST: a.Config()})
		m.becomes(t, "a", cache.Live)
		m.caches.Remove("a")
		eventually(t, "removed", func() bool {
			m.caches.mu.Lock()
			defer m.caches.mu.Unlock()
			return len(m.caches.members) == 0
		})
		if m.queue.Len() != 0 {
			t.Errorf("%d requests left", m.queue.Len())
		}
	}
	heap := func() uint64 {
		m.reconciler.mu.Lock()
		clear(m.seen)
		clear(m.reads)
		m.reconciler.mu.Unlock()
		runtime.GC()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	for range 5 {
		round()
	}
	goroutines, before := runtime.NumGoroutine(), heap()
	for range 50 {
		round()
	}
	eventuallyOr(t, "goroutines", func() bool { return runtime.NumGoroutine() <= goroutines },
		func() string { return fmt.Sprintf("%d, %d before", runtime.NumGoroutine(), goroutines) })
	// One cache of these objects is 0.7 MB. An HTTP/2 connection is kept by a
	// timer of its own for half a minute after its end.
	var after uint64
	poll(t, time.Second, "heap", func() bool { after = heap(); return after < before+1<<20 },
		func() string { return fmt.Sprintf("%d KB, %d KB before", after>>10, before>>10) })
}
