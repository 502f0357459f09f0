package queue

import (
	"cmp"
	"hash/maphash"
	"math"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/fairlead-dev/fairlead/internal/list"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// The defaults of Options.
const (
	DefaultLaneCapacity = 1024
	DefaultLaneBytes    = 16 << 20
)

// Options says what a queue's items are and how much it holds. Cluster
// must be set. The functions of items but Evict must be pure: equal items give equal
// results, and items of one identity are all of one cluster.
type Options[T, K comparable] struct {
	// Name is for people; a controller's queue has the controller's name.
	Name string
	// Cluster names the lane that an item waits in.
	Cluster func(T) string
	// Identity is what is deduplicated: of one identity at most one item
	// waits, and at most one is in work. Nil means that items are their own
	// identity; T and K must be the same type then.
	Identity func(T) K
	// Hash hashes an identity, with the properties of [maphash.Comparable], which is
	// what nil means; a Request and a string are hashed faster than by that.
	Hash func(maphash.Seed, K) uint64
	// Size is the bytes an item counts for in its lane. Nil means 0.
	Size func(T) int
	// LaneCapacity is the number of items that wait or are delayed at which Offer
	// blocks. Zero means DefaultLaneCapacity.
	LaneCapacity int
	// LaneBytes is the sum of the sizes of items that wait, are delayed or in work
	// that Offer does not go beyond, save for a single item that is larger. Zero
	// means DefaultLaneBytes.
	LaneBytes int64
	// Newer tells whether a is newer than b, two items of one identity. An older
	// item then never replaces or outlives a newer one that waits, is delayed or
	// in work: it counts as coalesced. Nil means that the last one that came is the
	// newest, and what is brought back the oldest. It is called with the queue
	// locked: it must not block, panic, nor call the queue.
	Newer func(a, b T) bool
	// Discard is called with each item that came and will not be handed out any
	// more: a newer one has replaced it or was there already, its cluster was
	// removed, or the queue shut down. It is not called for an item that an equal
	// one replaces, nor for one that Offer or TryOffer returned an error for; for
	// one that is brought back in vain it is, also if its Done is still to come. It
	// is called without the lock, by whichever call lets the item go. Optional.
	Discard func(T)
	// Left is called with the name of a cluster that RemoveCluster has given up waiting for,
	// once nothing of it is in work any more, unless it has a lane again. It is called
	// without the lock, by the Done that ended the last. Optional.
	Left func(cluster string)
	// Evict has an item that is delayed give up what of it can be had again, and returns
	// its size after. It is called for what is delayed by more than a second, when Evict
	// is called, or when there is no room for an Offer in the bytes of its lane. It is
	// called with the queue locked: it must not block, panic, nor call the queue. Nil means
	// that nothing is given up.
	Evict func(T) (size int)
	// Buckets limits how many live items of each cluster are handed out per
	// second. Nil means no limits at first.
	Buckets *ratelimit.Buckets
	// SnapshotBuckets does so for items of the snapshot class, which have their
	// turns behind the live ones: so a first list leaves these their tokens. Nil
	// means no limits at first; the same as Buckets, that both classes share the
	// tokens, as they do in a controller's queue unless it is told otherwise (see
	// Fair).
	SnapshotBuckets *ratelimit.Buckets
	// MaxInFlight is how many items of one cluster may be in work at once, so that
	// a cluster in which every call takes long does not take all workers: with
	// a quarter of them, three such clusters leave the last quarter to the rest.
	// Zero means no limit.
	MaxInFlight int
	// Known tells whether a cluster is still expected to send items. It is asked
	// when nothing is left of a lane: that of an unknown cluster is freed, with
	// its bucket and its metrics, as RemoveCluster frees it. So an item that
	// comes late, when its cluster has been removed, leaves nothing behind; and a
	// cluster that is never known has a full bucket each time it begins anew.
	// Nil means that all clusters are known. It is called with the queue
	// locked, by any goroutine: it must not block, nor call the queue. If it
	// panics, so does Done, which has ended the work all the same.
	Known func(cluster string) bool
	// RateLimiter says how long AddRateLimited puts an item off. Nil means
	// from 5 ms, doubling with each failure of the item, to 1000 s.
	RateLimiter workqueue.TypedRateLimiter[K]
	// DropOnShutDown has ShutDown drop what waits, as controller-runtime's own
	// queue does: it is for those who must not go on, and whose sources bring
	// again what was dropped. Otherwise ShutDown lets the workers have it, as
	// client-go's queue does. Fair sets it.
	DropOnShutDown bool
	// OnShutDown is called once, when the intake has been stopped by whichever
	// call. It is called by that call, outside of the lock. Optional.
	OnShutDown func()
}

// Queue is the fan-in of a fleet: see the package comment. Make one with
// New. All methods may be called by any number of goroutines at once.
type Queue[T, K comparable] struct {
	o     Options[T, K]
	epoch time.Time // zero of the queue's clock

	mu      sync.Mutex
	workers sync.Cond // on mu; see wakeLocked
	asleep  int       // workers that wait in Get
	woken   int       // of them, those that a signal is on its way to
	shut    bool      // takes nothing any more
	limited bool      // as a whole: see limit.go
	entries table[T, K]
	free    []*entry[T, K]
	lanes   map[string]*lane[T, K]
	weights map[string]int // other than one

	smallSet  smallSet[T, K]          // work.go
	ring      list.List[*lane[T, K]]  // turn.go
	throttled timerHeap[*gate[T, K]]  // gate.go
	delayed   timerHeap[*entry[T, K]] // delay.go
	evictable int                     // evict.go
	timer     *time.Timer             // delay.go
	timerDue  time.Duration
	hold      Hold[T]       // hold.go
	released  chan struct{} // closed when that changes; nil: nobody waits for it

	gone []T    // for Discard: see discard.go
	left string // for Left: see discard.go

	timed    bool          // somebody has asked for Lanes: see durations.go
	ready    int           // items that could be handed out
	waiting  int           // and those that wait for Done of an older one
	inWork   int           // handed out and not Done
	inFlight int           // as many at most; zero: no limit
	lost     int           // had been taken, but will not be handed out because of the shutdown
	idle     chan struct{} // closed when nothing waits or is in work any more, or nobody shall wait for that

	total     gate[T, K]    // limit.go
	shutSince time.Duration // since when that is shut and something waits, if both are so
	shutFor   time.Duration // for how long it was so, before
}

var (
	_ workqueue.TypedRateLimitingInterface[int] = (*Queue[int, int])(nil)
	_ priorityqueue.PriorityQueue[int]          = (*Queue[int, int])(nil)
)

// maxFree is the most entries kept for reuse: more than workers and blocked
// streams have under way at once, yet nothing beside what full lanes hold.
const maxFree = 4096

// New returns an empty queue. It starts no goroutine, and needs no end:
// a queue that is not used any more is simply collected, once what is delayed
// in it is due.
func New[T, K comparable](o Options[T, K]) *Queue[T, K] {
	if o.Cluster == nil {
		panic("queue: New needs Cluster")
	}
	if _, same := any((*T)(nil)).(*K); o.Identity == nil && !same {
		panic("queue: New needs Identity")
	}
	o.LaneCapacity = cmp.Or(max(o.LaneCapacity, 0), DefaultLaneCapacity)
	o.LaneBytes = cmp.Or(max(o.LaneBytes, 0), DefaultLaneBytes)
	if o.Buckets == nil {
		o.Buckets = ratelimit.New(ratelimit.Limit{})
	}
	if o.SnapshotBuckets == nil {
		o.SnapshotBuckets = ratelimit.New(ratelimit.Limit{})
	}
	if o.Hash == nil {
		o.Hash = hasher[K]()
	}
	if o.RateLimiter == nil {
		o.RateLimiter = workqueue.NewTypedItemExponentialFailureRateLimiter[K](5*time.Millisecond, 1000*time.Second)
	}
	q := &Queue[T, K]{
		o:        o,
		epoch:    time.Now(),
		entries:  table[T, K]{seed: maphash.MakeSeed(), by: o.Hash},
		lanes:    make(map[string]*lane[T, K]),
		weights:  make(map[string]int),
		timerDue: math.MaxInt64,
	}
	q.workers.L = &q.mu
	q.total.token.self = &q.total
	return q
}

// Name returns the name from the options.
func (q *Queue[T, K]) Name() string { return q.o.Name }

// RateLimiter returns the one that says how long AddRateLimited puts an item off.
func (q *Queue[T, K]) RateLimiter() workqueue.TypedRateLimiter[K] { return q.o.RateLimiter }

// Add lets an item wait in its cluster's lane, with priority zero. It replaces
// an older one of its identity that waits, whose place it takes, or that is
// delayed. If one is in work, the new one waits for its Done. An item that is
// older than any of these, if Newer can tell, is let go. Add never blocks and may
// fill a lane beyond its capacity: sources that can wait use Offer.
// While the queue shuts down, or the item's cluster is being removed, the item
// is dropped.
func (q *Queue[T, K]) Add(item T) { q.add(&item, 0) }

// AddAfter puts an item back into the queue after d. If an item of the same identity
// already waits, that one is newer and stays, unless Newer says otherwise. If one is
// already delayed, it stays likewise, and is due at the earlier of the two times.
func (q *Queue[T, K]) AddAfter(item T, d time.Duration) { q.requeue(&item, d, 0) }

// AddRateLimited is AddAfter with a delay from the RateLimiter, which counts
// it as a failure of the item's identity until Forget.
func (q *Queue[T, K]) AddRateLimited(item T) {
	q.requeue(&item, q.o.RateLimiter.When(q.identity(item)), 0)
}

// AddWithOpts is Add, AddAfter or AddRateLimited with a priority. With both
// After and RateLimited set the shorter delay counts. An identity keeps the
// highest priority that its waiting item was given. Below zero is the snapshot
// class, everything else is live; within a class items are handed out in the
// order they came, whatever their priority.
func (q *Queue[T, K]) AddWithOpts(o priorityqueue.AddOpts, items ...T) {
	priority := 0
	if o.Priority != nil {
		priority = *o.Priority
	}
	for _, item := range items {
		if !o.RateLimited && o.After <= 0 {
			q.add(&item, priority)
			continue
		}
		wait := o.After
		if o.RateLimited {
			when := q.o.RateLimiter.When(q.identity(item))
			if wait <= 0 || when < wait {
				wait = when
			}
		}
		q.requeue(&item, wait, priority)
	}
}

// Get is GetWithPriority without the priority.
func (q *Queue[T, K]) Get() (item T, shutdown bool) {
	q.mu.Lock()
	e := q.nextLocked()
	if e == nil {
		q.mu.Unlock()
		return item, true
	}
	item = e.item
	q.handOutLocked(e, q.stampLocked())
	q.passOnLocked()
	q.unlock()
	return item, false
}

// GetWithPriority blocks until there is an item whose lane has its turn and a
// token, and hands it out with the priority it waited with. Done must be
// called with it afterwards. It returns shutdown when the queue shuts down and
// there is nothing to hand out.
func (q *Queue[T, K]) GetWithPriority() (item T, priority int, shutdown bool) {
	q.mu.Lock()
	e := q.nextLocked()
	if e == nil {
		q.mu.Unlock()
		return item, 0, true
	}
	item, priority = e.item, e.priority
	q.handOutLocked(e, q.stampLocked())
	q.passOnLocked()
	q.unlock()
	return item, priority, false
}

// Len returns how many items could be handed out, given turns and tokens:
// without those that are delayed, held or wait for Done of an older one.
func (q *Queue[T, K]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ready
}

// Forget tells the RateLimiter that an item's identity has been dealt with.
func (q *Queue[T, K]) Forget(item T) { q.o.RateLimiter.Forget(q.identity(item)) }

// NumRequeues returns how often AddRateLimited was called for an item's
// identity since the last Forget.
func (q *Queue[T, K]) NumRequeues(item T) int {
	return q.o.RateLimiter.NumRequeues(q.identity(item))
}
