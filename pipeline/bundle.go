package pipeline

import (
	"sync/atomic"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
)

// The bounds of a bundle. With the default of 64 workers and sinks that are
// quick, the most changes are as many as a sink is given at once by default.
const (
	bundleMost  = 16       // changes
	bundleBytes = 64 << 10 // of their sizes, unless the last one brings more
)

// A change that comes when all workers are busy waits about as long as the sinks
// take for what is under way: where each change takes its time, a bundle is one
// change. Bundles become larger only as long as both of these hold.
const (
	// bundleTime is how long sinks may take for what a worker gives them.
	bundleTime = 20 * time.Millisecond
	// busyTime is how long they may be expected to take for it once all workers
	// are busy, as when a flood begins: a sink that takes 5 ms for the only
	// change under way is quick, but not with a thousand of them.
	busyTime = 5 * bundleTime
)

// bundle is what one worker takes from the queue at once: changes that were
// ready at that moment, of whichever clusters had their turn. Nothing in it
// waits for another: each change is done as soon as the sink has told of it.
type bundle struct {
	parts    []bundled
	underWay int // changes in the hands of all workers when these were taken
}

// bundled is one change of a bundle.
type bundled struct {
	change   *Change
	priority int
	refused  error // why it comes back: it or a ghost's deletion before it was refused
	done     bool  // with the queue; not asked before the destination has returned
}

// undone returns the changes that did not get through, with their priorities.
func (b *bundle) undone(yield func(*Change, int) bool) {
	for i := range b.parts {
		if p := &b.parts[i]; !p.done && !yield(p.change, p.priority) {
			return
		}
	}
}

// bundles is the queue as the workers of the stage see it: its items are bundles
// of changes.
type bundles struct {
	*ChangeQueue
	workers int
	most    atomic.Int32 // changes of the next bundle
}

var _ priorityqueue.PriorityQueue[*bundle] = (*bundles)(nil)

func newBundles(q *ChangeQueue, workers int) *bundles {
	b := &bundles{ChangeQueue: q, workers: max(workers, 1)}
	b.most.Store(1)
	return b
}

// adapt says how long the sinks have taken for a bundle. Only a full one says
// that they would be given more. Sinks are taken to need twice the time for
// twice the changes: who needs less shows it when more workers are busy.
func (q *bundles) adapt(b *bundle, took time.Duration) {
	most := q.most.Load()
	busy := took * time.Duration(q.workers*int(most)) / time.Duration(max(b.underWay, 1))
	switch {
	case took > bundleTime || busy > 2*busyTime: // twice: what is doubled does not go back at once
		q.most.Store(max(most/2, 1))
	case len(b.parts) >= int(most) && busy <= busyTime:
		q.most.Store(min(most*2, bundleMost))
	}
}

// finish is Done of one change.
func (q *bundles) finish(p *bundled) {
	p.done = true
	q.ChangeQueue.Done(p.change)
}

// refuse lets a change that the sink refused wait in its lane for another try. One
// that is newer and waits there already has precedence.
func (q *bundles) refuse(p *bundled) {
	p.done = true
	p.change.Refusals++
	o := priorityqueue.AddOpts{Priority: &p.priority}
	var asked bool
	o.After, asked = RetryDelay(p.refused)
	o.RateLimited = !asked
	q.ChangeQueue.AddWithOpts(o, p.change)
	q.ChangeQueue.Done(p.change)
}

// GetWithPriority waits for a change, and takes others that are ready with it.
// Their priorities are kept with them: the one returned says nothing.
func (q *bundles) GetWithPriority() (b *bundle, priority int, shutdown bool) {
	b = &bundle{}
	most := func() int {
		n := int(q.most.Load())
		b.parts = make([]bundled, 0, n)
		return n
	}
	b.underWay, shutdown = q.getSome(most, bundleBytes, func(c *Change, priority int) {
		b.parts = append(b.parts, bundled{change: c, priority: priority})
	})
	return b, 0, shutdown
}

// Get is GetWithPriority without the priority.
func (q *bundles) Get() (b *bundle, shutdown bool) {
	b, _, shutdown = q.GetWithPriority()
	return b, shutdown
}

// Done ends the work on what did not get through.
func (q *bundles) Done(b *bundle) {
	for c := range b.undone {
		q.ChangeQueue.Done(c)
	}
}

// AddWithOpts brings back what did not get through, with its own priorities.
func (q *bundles) AddWithOpts(o priorityqueue.AddOpts, all ...*bundle) {
	for _, b := range all {
		for c, priority := range b.undone {
			o.Priority = &priority
			q.ChangeQueue.AddWithOpts(o, c)
		}
	}
}

// Add is AddWithOpts.
func (q *bundles) Add(b *bundle) { q.AddWithOpts(priorityqueue.AddOpts{}, b) }

// AddAfter is AddWithOpts.
func (q *bundles) AddAfter(b *bundle, d time.Duration) {
	q.AddWithOpts(priorityqueue.AddOpts{After: d}, b)
}

// AddRateLimited is AddWithOpts.
func (q *bundles) AddRateLimited(b *bundle) {
	q.AddWithOpts(priorityqueue.AddOpts{RateLimited: true}, b)
}

// Forget does nothing: each change is forgotten when it is done.
func (q *bundles) Forget(*bundle) {}

// NumRequeues is 0: failures are counted for each change.
func (q *bundles) NumRequeues(*bundle) int { return 0 }

// queueOf returns the queue for a controller, which asks with its own name and
// rate limiter.
func (q *bundles) queueOf(string, workqueue.TypedRateLimiter[*bundle]) workqueue.TypedRateLimitingInterface[*bundle] {
	return q
}
