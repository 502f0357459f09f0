package queue

import (
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"

	"github.com/fairlead-dev/fairlead/ratelimit"
)

// Request names an object in a fleet: what a reconciler over many clusters is
// asked to look at.
type Request struct {
	Cluster string // the member's name in the fleet
	types.NamespacedName
}

// String returns "cluster/namespace/name".
func (r Request) String() string { return r.Cluster + "/" + r.NamespacedName.String() }

// NewFunc is what controller.TypedOptions.NewQueue wants. It is called
// once, when the controller starts.
type NewFunc[T comparable] = func(controllerName string, rateLimiter workqueue.TypedRateLimiter[T]) workqueue.TypedRateLimitingInterface[T]

// FairRequests puts a controller whose requests are of type Request on a
// Queue, so that no cluster's requests hold up another's:
//
//	controller.TypedOptions[queue.Request]{
//		Reconciler: reconciler,
//		NewQueue:   queue.FairRequests(ratelimit.New(ratelimit.Limit{QPS: 20}), 2, nil),
//		MaxConcurrentReconciles: 8,
//	}
//
// Nil buckets mean no limits. At most maxInFlight requests of one cluster are
// reconciled at once; 0 means no limit. Set it well below MaxConcurrentReconciles,
// because a cluster whose API calls hang occupies up to that many workers. onCreate is
// optional. See [Fair] for it, and for the end of the controller.
//
// Queues with the same buckets share their limits. Two controllers made from one
// value that FairRequests returned have a queue each, and share one limit for a cluster.
// Made from two calls with different buckets, each has its own.
func FairRequests(buckets *ratelimit.Buckets, maxInFlight int, onCreate func(*Queue[Request, Request])) NewFunc[Request] {
	return Fair(Options[Request, Request]{
		Cluster:     func(r Request) string { return r.Cluster },
		Buckets:     buckets,
		MaxInFlight: maxInFlight,
	}, onCreate)
}

// Fair puts a controller on a Queue whatever its requests are; only o.Cluster
// must be set. Requests are their own identity unless o.Identity says
// otherwise. Name and RateLimiter are the controller's unless o has them.
//
// When the controller ends, because it is asked to or because its manager has
// lost the lease, the requests that still wait are dropped, as in
// controller-runtime's own queue: o.DropOnShutDown is always set. The next leader, or
// the next start, gets them from its sources. To have them reconciled instead, call
// ShutDownWithDrain or Stop of the queue before the controller's context ends; limits
// hold meanwhile.
//
// Each reconcile takes a token, whatever has caused it. So requests from a first list
// take tokens from the same buckets as later ones, unless o has SnapshotBuckets of its
// own.
//
// If onCreate is not nil, it is called with the queue when the controller makes it.
// Keep the queue to remove clusters, set weights and limits, or collect metrics. The
// workqueue_* metrics of client-go do not exist for this queue;
// NewNamedCollector has them by cluster.
func Fair[T comparable](o Options[T, T], onCreate func(*Queue[T, T])) NewFunc[T] {
	return func(name string, limiter workqueue.TypedRateLimiter[T]) workqueue.TypedRateLimitingInterface[T] {
		o := o
		if o.Name == "" {
			o.Name = name
		}
		o.DropOnShutDown = true
		if o.Buckets == nil {
			o.Buckets = ratelimit.New(ratelimit.Limit{})
		}
		if o.SnapshotBuckets == nil {
			o.SnapshotBuckets = o.Buckets
		}
		if o.RateLimiter == nil {
			o.RateLimiter = limiter
		}
		q := New(o)
		if onCreate != nil {
			onCreate(q)
		}
		return q
	}
}
