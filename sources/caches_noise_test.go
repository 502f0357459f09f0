package sources

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources/cache"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// testNoisy: one member changes a hundred times as often as the other. What the
// other asks for has its turn next, however much of the first waits, and the
// first gets what its bucket holds.
func testNoisy(t *testing.T, quiet, noisy *testenv.Cluster) {
	const workers, objects, rounds, each = 4, 200, 20, 100
	limit := ratelimit.Limit{QPS: 50, Burst: 10}
	// What the noisy one has after its first list: less than what is written to it, however
	// slow its API server is on a busy machine.
	little := 5.0
	caches, err := NewCaches(CachesOptions{Connection: quick})
	if err != nil {
		t.Fatal(err)
	}
	mgr, err := manager.New(quiet.Config(), manager.Options{
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
	// The order of events: every reconcile has a number.
	var began, asked, served atomic.Int64
	ns := quiet.NewNamespace(t)
	var fair *queue.Queue[queue.Request, queue.Request]
	made := make(chan struct{})
	ctrl, err := controller.NewTyped("noise", mgr, controller.TypedOptions[queue.Request]{
		NewQueue: caches.FairRequests(limit, 0, func(q *queue.Queue[queue.Request, queue.Request]) {
			fair = q
			close(made)
		}),
		MaxConcurrentReconciles: workers,
		Reconciler: reconcile.TypedFunc[queue.Request](func(_ context.Context, r queue.Request) (reconcile.Result, error) {
			n := began.Add(1)
			if r.Cluster == "quiet" && r.Namespace == ns {
				served.Store(n)
			}
			return reconcile.Result{}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := ctrl.Watch(cache.Kind(caches.Fleet, &corev1.ConfigMap{}, cache.EnqueueRequestsFromMapFunc(
		func(_ context.Context, cluster string, cm *corev1.ConfigMap) []queue.Request {
			if cluster == "quiet" && cm.Namespace == ns {
				asked.Store(began.Load())
			}
			return []queue.Request{request(cluster, cm.Namespace, cm.Name)}
		}))); err != nil {
		t.Fatal(err)
	}
	run(t, mgr)
	<-made
	lane := func(cluster string) queue.LaneStats {
		for _, l := range fair.Lanes() {
			if l.Cluster == cluster {
				return l
			}
		}
		return queue.LaneStats{}
	}

	noise, direct := noisy.NewNamespace(t), clientOf(t, noisy)
	for i := range objects {
		create(t, direct, noise, fmt.Sprint(i))
	}
	caches.Set(fleet.Member{Name: "quiet", REST: quiet.Config()})
	loud := fleet.Member{Name: "noisy", REST: noisy.Config(), Fingerprint: "one"}
	caches.Set(loud)
	for _, name := range []string{"quiet", "noisy"} {
		eventually(t, name+" is live, and its first list done", func() bool {
			l := lane(name)
			return caches.State(name).State == cache.Live && l.Live+l.Snapshot+l.InFlight == 0
		})
	}

	loud.Limits.QPS = &little
	caches.Set(loud)
	start, waited, most := time.Now(), 0, int64(0)
	before := lane("noisy").HandedOut
	other := clientOf(t, quiet)
	for round := range rounds {
		for i := range each {
			if err := direct.Update(t.Context(), configMap(noise, fmt.Sprint((round*each+i)%objects), fmt.Sprint("round ", round))); err != nil {
				t.Fatal(err)
			}
		}
		waited = max(waited, lane("noisy").Live)
		served.Store(0)
		create(t, other, ns, fmt.Sprint("quiet-", round))
		eventually(t, "the quiet one", func() bool { return served.Load() > 0 })
		most = max(most, served.Load()-asked.Load())
	}
	handed := float64(lane("noisy").HandedOut - before)
	if allowed := float64(limit.Burst) + little*time.Since(start).Seconds(); handed > allowed+1 {
		t.Errorf("the noisy one had %v reconciles, its bucket held %v", handed, allowed)
	}
	l := lane("noisy")
	t.Logf("%v changes became %v reconciles; at most %d waited, and %d reconciles began before one of the quiet member",
		rounds*each, handed, waited, most)
	if waited < objects/4 || l.Throttles == 0 {
		t.Errorf("there was no noise: %d waited, lane %+v", waited, l)
	}
	// Those that workers had taken before, and one turn.
	if most > workers+10 {
		t.Errorf("%d reconciles began before one of the quiet member", most)
	}
	if l := lane("quiet"); l.Throttles != 0 {
		t.Errorf("the quiet one waited for tokens: %+v", l)
	}
}
