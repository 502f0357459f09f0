package queue_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// A controller that is stopped, as it is when its lease is lost, begins nothing
// of what waits, in whichever way its queue was made.
func TestStoppedControllerDropsItsBacklog(t *testing.T) {
	const workers, maxInFlight, backlog = 8, 2, 5000
	for name, newQueue := range map[string]func(made func(*requestQueue)) queue.NewFunc[queue.Request]{
		"FairRequests": func(made func(*requestQueue)) queue.NewFunc[queue.Request] {
			return queue.FairRequests(nil, maxInFlight, made)
		},
		"Fair": func(made func(*requestQueue)) queue.NewFunc[queue.Request] {
			return queue.Fair(queue.Options[queue.Request, queue.Request]{
				Cluster: func(r queue.Request) string { return r.Cluster }, MaxInFlight: maxInFlight,
			}, made)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				var q *requestQueue
				var begun atomic.Int32
				release := make(chan struct{})
				c, err := controller.NewTypedUnmanaged("fair", controller.TypedOptions[queue.Request]{
					SkipNameValidation:      new(true),
					Logger:                  logr.Discard(),
					MaxConcurrentReconciles: workers,
					NewQueue:                newQueue(func(made *requestQueue) { q = made }),
					Reconciler: reconcile.TypedFunc[queue.Request](func(context.Context, queue.Request) (reconcile.Result, error) {
						begun.Add(1)
						<-release
						return reconcile.Result{RequeueAfter: time.Second}, nil
					}),
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Watch(source.TypedFunc[queue.Request](
					func(_ context.Context, q workqueue.TypedRateLimitingInterface[queue.Request]) error {
						for i := range backlog {
							q.Add(request(fmt.Sprint("cluster-", i%3), fmt.Sprint(i)))
						}
						return nil
					})); err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- c.Start(ctx) }()
				synctest.Wait()
				equal(t, "begun before the stop", begun.Load(), int32(3*maxInFlight))
				cancel()
				synctest.Wait()
				close(release)
				if err := <-ended; err != nil {
					t.Error(err)
				}
				equal(t, "begun in all", begun.Load(), int32(3*maxInFlight))
				if _, shutdown := q.Get(); !shutdown {
					t.Error("the queue hands out more")
				}
				// What was in work has come back, and is dropped too.
				for _, l := range q.Lanes() {
					if l.Added != l.HandedOut+l.DroppedShutdown || l.DroppedShutdown == 0 {
						t.Errorf("stats %+v", l)
					}
				}
				equal(t, "left", q.Stop(t.Context()), backlog)
			})
		})
	}
}

// What waits when ShutDown is called is dropped or handed out, as was asked for;
// what ShutDownWithDrain waits for is handed out either way.
func TestDropOnShutDown(t *testing.T) {
	for _, drops := range []bool{false, true} {
		t.Run(fmt.Sprint(drops), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newNameQueue(queue.Options[string, string]{DropOnShutDown: drops})
				fill(q, "a", 5)
				parked, _ := q.Get()
				q.Add(parked) // waits for Done
				var draining sync.WaitGroup
				draining.Go(q.ShutDownWithDrain)
				synctest.Wait()
				equal(t, "drained", take(t, q, 2), []string{"a/001", "a/002"})
				q.ShutDown()
				draining.Wait()
				q.Done(parked)
				want := []string{"a/003", "a/004", "a/000"}
				if drops {
					want = nil
				}
				equal(t, "handed out after ShutDown", takeAll(t, q), want)
				equal(t, "left", q.Stop(t.Context()), 3-len(want))
				if s := lane(q, "a"); s.Added != s.HandedOut+s.DroppedShutdown || s.Live+s.InFlight != 0 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

// Tokens and MaxInFlight bound what is handed out until the end, however the end
// was asked for.
func TestLimitsHoldUntilTheEnd(t *testing.T) {
	for name, shutDown := range map[string]func(t *testing.T, q *queue.Queue[string, string]){
		"ShutDown":          func(_ *testing.T, q *queue.Queue[string, string]) { q.ShutDown() },
		"ShutDownWithDrain": func(_ *testing.T, q *queue.Queue[string, string]) { q.ShutDownWithDrain() },
		"Stop":              func(t *testing.T, q *queue.Queue[string, string]) { equal(t, "left", q.Stop(t.Context()), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newNameQueue(queue.Options[string, string]{
					Buckets: ratelimit.New(ratelimit.Limit{QPS: 1, Burst: 3}), MaxInFlight: 2,
				})
				fill(q, "a", 8)
				start := time.Now()
				var mu sync.Mutex
				inWork, most, n := 0, 0, 0
				var workers sync.WaitGroup
				for range 5 {
					workers.Go(func() {
						for item, shutdown := q.Get(); !shutdown; item, shutdown = q.Get() {
							mu.Lock()
							n++
							inWork++
							most = max(most, inWork)
							mu.Unlock()
							time.Sleep(10 * time.Millisecond)
							mu.Lock()
							inWork--
							mu.Unlock()
							q.Done(item)
						}
					})
				}
				shutDown(t, q)
				workers.Wait()
				equal(t, "handed out", n, 8)
				equal(t, "at once", most, 2)
				if took := time.Since(start); took < 4900*time.Millisecond {
					t.Errorf("handed out within %v, with 3 tokens at first and one a second", took)
				}
			})
		})
	}
}
