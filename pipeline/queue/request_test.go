package queue_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

func request(cluster, name string) queue.Request {
	return queue.Request{Cluster: cluster, NamespacedName: types.NamespacedName{Namespace: "default", Name: name}}
}

type requestQueue = queue.Queue[queue.Request, queue.Request]

// watched lets a test see what a controller asks of its queue.
type watched struct {
	*requestQueue
	got   []int // priorities, as handed out
	added []priorityqueue.AddOpts
}

func (w *watched) GetWithPriority() (queue.Request, int, bool) {
	item, priority, shutdown := w.requestQueue.GetWithPriority()
	if !shutdown {
		w.got = append(w.got, priority)
	}
	return item, priority, shutdown
}

func (w *watched) AddWithOpts(o priorityqueue.AddOpts, items ...queue.Request) {
	w.added = append(w.added, o)
	w.requestQueue.AddWithOpts(o, items...)
}

// A real controller on the queue: what fails comes back after the controller's
// own rate limiter, what asks for it comes back later, and both keep the
// priority they came with.
func TestControllerRunsOnTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var q *watched
		newQueue := queue.FairRequests(nil, 0, nil)
		start := time.Now()
		type call struct {
			Request queue.Request
			At      time.Duration
		}
		var calls []call
		c, err := controller.NewTypedUnmanaged("fair", controller.TypedOptions[queue.Request]{
			SkipNameValidation: new(true),
			Logger:             logr.Discard(),
			RateLimiter:        workqueue.NewTypedItemExponentialFailureRateLimiter[queue.Request](time.Second, time.Hour),
			NewQueue: func(name string, limiter workqueue.TypedRateLimiter[queue.Request]) workqueue.TypedRateLimitingInterface[queue.Request] {
				q = &watched{requestQueue: newQueue(name, limiter).(*requestQueue)}
				return q
			},
			Reconciler: reconcile.TypedFunc[queue.Request](func(_ context.Context, r queue.Request) (reconcile.Result, error) {
				calls = append(calls, call{r, time.Since(start)})
				switch n := len(calls); {
				case n == 1 || n == 2:
					return reconcile.Result{}, errors.New("try again")
				case n == 3:
					return reconcile.Result{RequeueAfter: 10 * time.Hour}, nil
				}
				return reconcile.Result{}, nil
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Watch(source.TypedFunc[queue.Request](
			func(_ context.Context, w workqueue.TypedRateLimitingInterface[queue.Request]) error {
				w.(priorityqueue.PriorityQueue[queue.Request]).AddWithOpts(
					priorityqueue.AddOpts{Priority: new(handler.LowPriority)}, request("a", "x"))
				return nil
			})); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Start(ctx) }()
		time.Sleep(24 * time.Hour)
		synctest.Wait()

		x := request("a", "x")
		equal(t, "calls", calls, []call{{x, 0}, {x, time.Second}, {x, 3 * time.Second}, {x, 10*time.Hour + 3*time.Second}})
		equal(t, "priorities handed out", q.got, slices.Repeat([]int{handler.LowPriority}, 4))
		limited := priorityqueue.AddOpts{RateLimited: true, Priority: new(handler.LowPriority)}
		equal(t, "how the controller added", q.added, []priorityqueue.AddOpts{
			{Priority: new(handler.LowPriority)}, limited, limited, {After: 10 * time.Hour, Priority: new(handler.LowPriority)},
		})
		equal(t, "the queue's name", q.Name(), "fair")
		equal(t, "failures remembered", q.NumRequeues(x), 0)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if !q.ShuttingDown() {
			t.Error("the controller has not shut the queue down")
		}
	})
}

func TestFairKeepsWhatItIsGiven(t *testing.T) {
	var made *queue.Queue[string, string]
	limiter := workqueue.DefaultTypedItemBasedRateLimiter[string]()
	newQueue := queue.Fair(queue.Options[string, string]{
		Name:        "mine",
		Cluster:     func(s string) string { return s[:1] },
		RateLimiter: limiter,
	}, func(q *queue.Queue[string, string]) { made = q })
	q := newQueue("the controller's", nil)
	if q != workqueue.TypedRateLimitingInterface[string](made) {
		t.Error("another queue was reported than made")
	}
	equal(t, "name", made.Name(), "mine")
	q.AddRateLimited("ab")
	equal(t, "failures in the given limiter", limiter.NumRequeues("ab"), 1)
	q.ShutDown()
}

func TestRequestString(t *testing.T) {
	equal(t, "String()", request("a", "x").String(), "a/default/x")
}
