package stage

import (
	"cmp"
	"math"
	"sync/atomic"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// bundle is what one worker takes from the queue at once: changes that were
// ready at that moment, of whichever clusters had their turn. Nothing in it
// waits for another: each change is done as soon as the sink has told of it.
type bundle struct {
	parts  []bundled
	bytes  int       // their sizes
	inside bool      // of the gate
	last   [2]series // of its loads
}

// bundled is one change of a bundle.
type bundled struct {
	change   *pipeline.Change
	priority int
	safe     <-chan struct{} // closed when it may be handed over; nil: at once
	refused  error           // why it comes back: it or a ghost's deletion before it was refused
	done     bool            // with the queue; not asked before the destination has returned
	alone    int             // deletions of ghosts that go without it and that the sink has not told of
}

// unfinished returns the changes that did not get through, with their priorities.
func (b *bundle) unfinished(yield func(*pipeline.Change, int) bool) {
	for i := range b.parts {
		if p := &b.parts[i]; !p.done && !yield(p.change, p.priority) {
			return
		}
	}
}

// bundles is the queue as the workers of the stage see it: its items are bundles
// of changes, each as large as the destination wants it. No more are handed out
// than it wants to have under way: what is still in the queue goes by turns, and
// what is under way goes first.
type bundles struct {
	*Queue
	workers int
	slots   *slots       // of those that take changes or deliver what was ready
	batch   atomic.Int64 // changes of the next bundle
	bytes   atomic.Int64
	until   atomic.Pointer[time.Time] // Pace.Until
	after   notBefore                 // Pace.After
	turn    chan struct{}             // holds one, while no worker waits for more
	room    int                       // Pace.UnderWay, of pace alone
}

var _ priorityqueue.PriorityQueue[*bundle] = (*bundles)(nil)

func newBundles(q *Queue, workers int) *bundles {
	workers = max(workers, 1)
	b := &bundles{Queue: q, workers: workers, slots: newSlots(workers), turn: make(chan struct{}, 1)}
	b.turn <- struct{}{}
	b.batch.Store(1)
	b.bytes.Store(math.MaxInt)
	b.until.Store(&time.Time{})
	return b
}

// pace is told what the destination wants, see Paced.
func (q *bundles) pace(p pipeline.Pace) {
	q.batch.Store(int64(max(p.Batch, 1)))
	q.bytes.Store(int64(cmp.Or(max(p.Bytes, 0), math.MaxInt)))
	q.until.Store(&p.Until)
	q.after.set(p.After)
	q.slots.set(min(max(p.Deliveries, 1), q.workers))
	if p.UnderWay != q.room {
		q.room = p.UnderWay
		q.SetInFlight(p.UnderWay)
		q.SetMaxInFlight((p.UnderWay*3 + 3) / 4) // at least one, if there is a bound
	}
}

// leave lets another worker take changes, once those that b brought are delivered
// or wait for something else.
func (q *bundles) leave(b *bundle) {
	if b.inside {
		b.inside = false
		q.slots.leave()
	}
}

// finish is Done of one change.
func (q *bundles) finish(p *bundled) {
	p.done = true
	q.Queue.Done(p.change)
}

// requeue lets a change wait in its lane for another try: after a while that
// doubles with each, or after the one given. One that is newer and waits there
// already has precedence.
func (q *bundles) requeue(p *bundled, after time.Duration) {
	p.done = true
	q.Queue.AddWithOpts(priorityqueue.AddOpts{Priority: &p.priority, After: after, RateLimited: after <= 0}, p.change)
	q.Queue.Done(p.change)
}

// again lets a change wait in its lane until it has its turn again.
func (q *bundles) again(p *bundled) {
	p.done = true
	q.Queue.AddWithOpts(priorityqueue.AddOpts{Priority: &p.priority}, p.change)
	q.Queue.Done(p.change)
}

// GetWithPriority waits for a change, and takes others that are ready with it.
// Their priorities are kept with them: the one returned says nothing.
func (q *bundles) GetWithPriority() (b *bundle, priority int, shutdown bool) {
	q.slots.enter()
	q.after.wait(q.ShuttingDown)
	if !q.until.Load().IsZero() { // else two would wait for what one could have had
		<-q.turn
		defer func() { q.turn <- struct{}{} }()
	}
	b = &bundle{inside: true}
	most := func(ready int) int {
		n := int(q.batch.Load())
		b.parts = make([]bundled, 0, min(n, ready+1))
		return n
	}
	if _, shutdown = q.GetBatch(most, int(q.bytes.Load()), b.take); shutdown {
		q.leave(b)
	} else {
		q.fill(b)
	}
	return b, 0, shutdown
}

func (b *bundle) take(c *pipeline.Change, priority int) {
	b.parts = append(b.parts, bundled{change: c, priority: priority})
	b.bytes += c.Size()
}

// gatherStep is how often a delivery that waits for more looks whether it should not.
const gatherStep = 100 * time.Millisecond

// fill waits until a bundle is as large as wanted, or until Pace.Until: what it
// takes meanwhile makes room in the lanes, and has its turn and its token. It ends early
// where a stream waits for memory, which the bundle may have.
func (q *bundles) fill(b *bundle) {
	for more := true; more && !b.parts[0].change.Memory.Contended(); {
		wait := time.Until(*q.until.Load())
		most, bytes := int(q.batch.Load())-len(b.parts), int(q.bytes.Load())-b.bytes
		if wait <= 0 || most <= 0 || bytes <= 0 {
			return
		}
		more = q.GetMore(min(wait, gatherStep), most, bytes, b.take)
	}
}

// Get is GetWithPriority without the priority.
func (q *bundles) Get() (b *bundle, shutdown bool) {
	b, _, shutdown = q.GetWithPriority()
	return b, shutdown
}

// Done ends the work on what did not get through.
func (q *bundles) Done(b *bundle) {
	q.leave(b)
	for c := range b.unfinished {
		q.Queue.Done(c)
	}
}

// AddWithOpts brings back what did not get through, with its own priorities.
func (q *bundles) AddWithOpts(o priorityqueue.AddOpts, all ...*bundle) {
	for _, b := range all {
		for c, priority := range b.unfinished {
			o.Priority = &priority
			q.Queue.AddWithOpts(o, c)
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
