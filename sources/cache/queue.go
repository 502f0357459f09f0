package cache

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// clusterQueue is one cluster's side of a queue for many, as handlers that know
// nothing of clusters see it.
type clusterQueue struct {
	cluster string
	q       workqueue.TypedRateLimitingInterface[queue.Request]
}

func (c clusterQueue) request(r reconcile.Request) queue.Request {
	return queue.Request{Cluster: c.cluster, NamespacedName: r.NamespacedName}
}

func (c clusterQueue) Add(r reconcile.Request)            { c.q.Add(c.request(r)) }
func (c clusterQueue) AddRateLimited(r reconcile.Request) { c.q.AddRateLimited(c.request(r)) }
func (c clusterQueue) Forget(r reconcile.Request)         { c.q.Forget(c.request(r)) }
func (c clusterQueue) Done(r reconcile.Request)           { c.q.Done(c.request(r)) }
func (c clusterQueue) NumRequeues(r reconcile.Request) int {
	return c.q.NumRequeues(c.request(r))
}
func (c clusterQueue) AddAfter(r reconcile.Request, d time.Duration) { c.q.AddAfter(c.request(r), d) }

// Len and the methods below are about the whole queue; handlers have no use
// for them.
func (c clusterQueue) Len() int           { return c.q.Len() }
func (c clusterQueue) ShutDown()          { c.q.ShutDown() }
func (c clusterQueue) ShutDownWithDrain() { c.q.ShutDownWithDrain() }
func (c clusterQueue) ShuttingDown() bool { return c.q.ShuttingDown() }

// Get hands out requests of any cluster: a handler that takes work from the
// queue that it feeds is beyond help.
func (c clusterQueue) Get() (reconcile.Request, bool) {
	r, shutdown := c.q.Get()
	return reconcile.Request{NamespacedName: r.NamespacedName}, shutdown
}

// clusterPriorityQueue is the same for a queue that knows priorities.
type clusterPriorityQueue struct {
	clusterQueue
	p priorityqueue.PriorityQueue[queue.Request]
}

var _ priorityqueue.PriorityQueue[reconcile.Request] = clusterPriorityQueue{}

func (c clusterPriorityQueue) AddWithOpts(o priorityqueue.AddOpts, rs ...reconcile.Request) {
	for _, r := range rs {
		c.p.AddWithOpts(o, c.request(r))
	}
}

func (c clusterPriorityQueue) GetWithPriority() (reconcile.Request, int, bool) {
	r, priority, shutdown := c.p.GetWithPriority()
	return reconcile.Request{NamespacedName: r.NamespacedName}, priority, shutdown
}
