package sources

import (
	"time"

	"k8s.io/client-go/util/workqueue"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// FairRequests is queue.FairRequests for a controller over these members. Each member
// has this limit of reconciles, and a weight of one, unless its description asks for
// others (fleet.Limits), which take effect at once. At most maxInFlight reconciles of
// one member run at once, so that a member that hangs leaves workers to the others; 0
// means no limit. onCreate is optional; see queue.Fair.
//
//	controller.TypedOptions[queue.Request]{
//		Reconciler:              reconciler,
//		NewQueue:                caches.FairRequests(ratelimit.Limit{QPS: 20}, 2, nil),
//		MaxConcurrentReconciles: 8,
//	}
//
// A request for a member that has left is still handed out once, and its lane is then
// freed. So a name that is neither a member nor an included cluster starts with a full
// bucket each time. The empty name is always known, for requests that concern no
// cluster.
//
// Two controllers made from one value that FairRequests returned share the members'
// buckets: both together have this limit. With two calls, each has its own.
//
// When the controller ends, the queue drops the requests that wait, as with queue.Fair,
// and the caches forget the queue.
//
// It panics if limit is not valid.
func (c *Caches) FairRequests(
	limit ratelimit.Limit,
	maxInFlight int,
	onCreate func(*queue.Queue[queue.Request, queue.Request]),
) queue.NewFunc[queue.Request] {
	buckets := ratelimit.New(limit)
	return func(name string, limiter workqueue.TypedRateLimiter[queue.Request]) workqueue.TypedRateLimitingInterface[queue.Request] {
		l := &queueLimiter{buckets: buckets, limit: limit}
		return queue.Fair(queue.Options[queue.Request, queue.Request]{
			Cluster:     func(r queue.Request) string { return r.Cluster },
			Buckets:     buckets,
			MaxInFlight: maxInFlight,
			Known:       c.known,
			OnShutDown:  func() { c.dismiss(l) },
		}, func(q *queue.Queue[queue.Request, queue.Request]) {
			l.queue = q
			c.enlist(l)
			if onCreate != nil {
				onCreate(q)
			}
		})(name, limiter)
	}
}

// enlist lets a queue have the members' limits, of those there are and of those
// that come.
func (c *Caches) enlist(l *queueLimiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limiters[l] = struct{}{}
	for _, r := range c.members {
		l.set(r.name, r.config.Limits)
	}
}

// dismiss forgets the queue of a controller that has ended.
func (c *Caches) dismiss(l *queueLimiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.limiters, l)
}

// missingLocked returns for how long requests of a member have waited only for a token, by queue.
func (c *Caches) missingLocked(name string) map[*queueLimiter]time.Duration {
	total := make(map[*queueLimiter]time.Duration, len(c.limiters))
	for l := range c.limiters {
		if lane, ok := l.queue.Lane(name); ok {
			total[l] = lane.Throttled
		}
	}
	return total
}

// known tells the queues, which are locked meanwhile, what is in the fleet.
func (c *Caches) known(cluster string) bool { return cluster == "" || c.Has(cluster) }

// queueLimiter gives members the limits that their descriptions ask for, in one
// queue.
type queueLimiter struct {
	queue   *queue.Queue[queue.Request, queue.Request]
	buckets *ratelimit.Buckets
	limit   ratelimit.Limit // unless a description asks for another
}

func (l *queueLimiter) set(cluster string, asked fleet.Limits) {
	own, weight := l.limit, 1
	own.QPS, own.Burst, weight = asked.Over(own.QPS, own.Burst, weight)
	if own != l.buckets.Limit(cluster) {
		l.queue.SetLimit(cluster, own)
	}
	l.queue.SetWeight(cluster, weight)
}

func (l *queueLimiter) forget(cluster string) {
	l.buckets.Unset(cluster)
	l.queue.SetWeight(cluster, 1)
}

// limitLocked gives a member the limits and labels that its description tells.
func (c *Caches) limitLocked(r *resident) {
	c.SetLabels(r.name, r.config.Labels)
	for l := range c.limiters {
		l.set(r.name, r.config.Limits)
	}
	if c.o.Limit != nil {
		c.o.Limit(r.name, r.config.Limits)
	}
	if r.config.Limits.Paused {
		r.conn.Pause()
	} else {
		r.conn.Resume()
	}
}
