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
// Nil buckets mean no limits. Of one cluster at most maxInFlight requests are in
// work at once, zero is no limit: set it well below MaxConcurrentReconciles,
// because a cluster in which calls hang keeps so many workers. For what made may
// be, and for what becomes of the queue when the controller ends, see Fair.
//
// Whoever is given the same buckets shares them: two controllers made from one
// value of FairRequests have a queue each, and together one limit for a cluster;
// made from two calls with buckets of their own, each has its own.
func FairRequests(buckets *ratelimit.Buckets, maxInFlight int, made func(*Queue[Request, Request])) NewFunc[Request] {
	return Fair(Options[Request, Request]{
		Cluster:     func(r Request) string { return r.Cluster },
		Buckets:     buckets,
		MaxInFlight: maxInFlight,
	}, made)
}

// Fair puts a controller on a Queue whatever its requests are; only o.Cluster
// must be set. Requests are their own identity unless o.Identity says
// otherwise. Name and RateLimiter are the controller's unless o has them.
//
// When the controller ends, because it is asked to or because its manager has
// lost the lease, nothing more of what waits is handed out, as of
// controller-runtime's own queue: o.DropOnShutDown is always set. Whoever leads
// next, or starts again, has it from its sources. To have it worked off instead,
// call ShutDownWithDrain or Stop of the queue before the controller's context
// ends; limits hold meanwhile.
//
// A token is for a reconcile, whatever has asked for it: so what a controller is
// told by a first list takes tokens from the same buckets as what it is told
// later, unless o has SnapshotBuckets of its own.
//
// If made is not nil it is called with the queue when the controller makes it:
// keep it to remove clusters, set weights and limits, or collect metrics. The
// workqueue_* metrics of client-go do not exist for this queue;
// NewNamedCollector has them by cluster.
func Fair[T comparable](o Options[T, T], made func(*Queue[T, T])) NewFunc[T] {
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
		if made != nil {
			made(q)
		}
		return q
	}
}
