package sources

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/client-go/util/workqueue"
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
)

// held is a reconciler that holds on to each request until it is let go, and
// notes how many were begun, and the most at once of one cluster.
type held struct {
	letGo chan struct{}

	mu     sync.Mutex
	begun  int
	inWork map[string]int
	most   int
}

func (h *held) Reconcile(_ context.Context, r queue.Request) (reconcile.Result, error) {
	h.mu.Lock()
	h.begun++
	h.inWork[r.Cluster]++
	h.most = max(h.most, h.inWork[r.Cluster])
	h.mu.Unlock()
	<-h.letGo
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inWork[r.Cluster]--
	return reconcile.Result{RequeueAfter: time.Millisecond}, nil
}

// A manager whose Lease is stolen, or that is stopped, begins no reconcile beyond
// those that its workers have at that moment, of 5,000 that wait.
func TestAFormerLeaderBeginsNothing(t *testing.T) {
	const workers, maxInFlight, clusters, backlog = 8, 2, 5, 5000
	hub := testenv.Start(t, testenv.HubAndMembers(0)...).Clusters[0]
	for name, test := range map[string]struct {
		lasts, renews time.Duration // the lease, which nothing but its thief may end, though the machine stands still for seconds
		end           func(t *testing.T, lease client.ObjectKey, stop func())
	}{
		"stopped": {time.Hour, 50 * time.Minute, func(_ *testing.T, _ client.ObjectKey, stop func()) { stop() }},
		"robbed": {10 * time.Second, 8 * time.Second, func(t *testing.T, key client.ObjectKey, _ func()) {
			c := clientOf(t, hub)
			eventually(t, "the lease is stolen", func() bool {
				var lease coordinationv1.Lease
				if err := c.Get(t.Context(), key, &lease); err != nil {
					t.Fatal(err)
				}
				lease.Spec.HolderIdentity = new("thief")
				lease.Spec.LeaseDurationSeconds = new(int32(3600))
				return c.Update(t.Context(), &lease) == nil // not while it is renewed
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			lease := client.ObjectKey{Namespace: hub.NewNamespace(t), Name: "controller"}
			mgr, err := manager.New(hub.Config(), manager.Options{
				Metrics:    metricsserver.Options{BindAddress: "0"},
				Controller: config.Controller{SkipNameValidation: new(true)},
				Logger:     logr.Discard(),

				LeaderElection: true, LeaderElectionID: lease.Name, LeaderElectionNamespace: lease.Namespace,
				LeaseDuration: new(test.lasts), RenewDeadline: new(test.renews), RetryPeriod: new(200 * time.Millisecond),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer mgr.GetHTTPClient().CloseIdleConnections()
			caches, err := NewCaches(CachesOptions{})
			if err != nil {
				t.Fatal(err)
			}
			h := &held{letGo: make(chan struct{}), inWork: map[string]int{}}
			made := make(chan *queue.Queue[queue.Request, queue.Request], 1)
			ctrl, err := controller.NewTyped("held", mgr, controller.TypedOptions[queue.Request]{
				Reconciler:              h,
				MaxConcurrentReconciles: workers,
				NewQueue: caches.FairRequests(ratelimit.Limit{QPS: 1e6, Burst: 1e6}, maxInFlight,
					func(q *queue.Queue[queue.Request, queue.Request]) { made <- q }),
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := ctrl.Watch(source.TypedFunc[queue.Request](
				func(_ context.Context, q workqueue.TypedRateLimitingInterface[queue.Request]) error {
					for i := range backlog {
						q.Add(request(fmt.Sprint("cluster-", i%clusters), "default", fmt.Sprint(i)))
					}
					return nil
				})); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			ended := make(chan error, 1)
			go func() { ended <- mgr.Start(ctx) }()
			var q *queue.Queue[queue.Request, queue.Request]
			select {
			case q = <-made:
			case err := <-ended:
				t.Fatalf("the manager has ended: %v", err)
			}
			begun := func() (n, most int) {
				h.mu.Lock()
				defer h.mu.Unlock()
				return h.begun, h.most
			}
			eventually(t, "all workers are busy", func() bool { n, _ := begun(); return n == workers })

			test.end(t, lease, stop)
			eventually(t, "the queue shuts down", q.ShuttingDown)
			close(h.letGo)
			if err := <-ended; (err != nil) != (name == "robbed") {
				t.Errorf("the manager has ended: %v", err)
			}
			eventually(t, "the workers have ended", func() bool {
				for _, l := range q.Lanes() {
					if l.InFlight > 0 {
						return false
					}
				}
				_, shutdown := q.Get() // and nothing is handed out any more
				return shutdown
			})
			if n, most := begun(); n != workers || most > maxInFlight {
				t.Errorf("%d reconciles were begun, at most %d at once of one cluster; want %d and %d", n, most, workers, maxInFlight)
			}
		})
	}
}
