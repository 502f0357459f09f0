package sources

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources/cache"
)

// TestHangLeavesWorkersToOthers: a live member begins to hang, so that every
// reconcile of it waits for a call. It has so many workers as it may have, and
// the others of the fleet are reconciled at once. Without a bound it has all, and
// the others wait until its probe gives it up.
func TestHangLeavesWorkersToOthers(t *testing.T) {
	const workers, objects = 4, 20
	for _, bound := range []int{0, 1, 3} {
		t.Run(fmt.Sprint("bound ", bound), func(t *testing.T) {
			simulate(t, CachesOptions{}, func(t *testing.T, s *sim) {
				var mu sync.Mutex
				inWork, served := map[string]int{}, map[string]time.Time{} // served by "cluster/name"
				count := func(cluster string, n int) {
					mu.Lock()
					defer mu.Unlock()
					inWork[cluster] += n
				}
				ctrl, err := controller.NewTypedUnmanaged("hang", controller.TypedOptions[queue.Request]{
					NewQueue:                s.caches.FairRequests(ratelimit.Limit{}, bound, nil),
					MaxConcurrentReconciles: workers,
					SkipNameValidation:      new(true),
					LogConstructor:          func(*queue.Request) logr.Logger { return logr.Discard() },
					Reconciler: reconcile.TypedFunc[queue.Request](func(ctx context.Context, r queue.Request) (reconcile.Result, error) {
						count(r.Cluster, 1)
						defer count(r.Cluster, -1)
						err := s.client(r.Cluster).Delete(ctx, configMap(r.Namespace, r.Name, ""))
						mu.Lock()
						defer mu.Unlock()
						served[r.Cluster+"/"+r.Name] = time.Now()
						return reconcile.Result{}, err
					}),
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := ctrl.Watch(cache.Kind(s.caches.Fleet, &corev1.ConfigMap{}, cache.EnqueueRequestForObject)); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				defer wg.Wait()
				defer cancel()
				wg.Go(func() {
					if err := ctrl.Start(ctx); err != nil {
						t.Error(err)
					}
				})

				hanging, healthy := newFakeAPI("H"), newFakeAPI("G")
				s.set("hanging", hanging)
				s.set("healthy", healthy)
				s.state("hanging", cache.Live)
				s.state("healthy", cache.Live)
				hanging.set(func() { hanging.override = hang })
				for i := range objects {
					hanging.put(fmt.Sprint(i)) // which its watch still tells
				}
				synctest.Wait()
				began := time.Now()
				healthy.put("x")
				synctest.Wait()
				s.state("hanging", cache.Live) // as far as anybody can know

				mu.Lock()
				at, ok := served["healthy/x"]
				stuck := inWork["hanging"]
				mu.Unlock()
				if bound == 0 {
					if ok || stuck != workers {
						t.Errorf("without a bound %d workers are stuck, and the healthy member was served: %v", stuck, ok)
					}
				} else if !ok || at.After(began) || stuck != bound {
					t.Errorf("the healthy member was served: %v, after %v; %d workers are stuck, want %d", ok, at.Sub(began), stuck, bound)
				}

				time.Sleep(5 * time.Minute)
				s.state("hanging", cache.BackingOff)
				mu.Lock()
				defer mu.Unlock()
				if len(served) != objects+1 {
					t.Errorf("%d objects had their turn once the member was given up, want %d", len(served), objects+1)
				}
			})
		})
	}
}
