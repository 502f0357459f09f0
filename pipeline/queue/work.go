package queue

import (
	"sync/atomic"
	"time"
)

// smallSet holds the entries that are in work as long as they are few, so that Done
// finds its entry without hashing the identity. Once there are more it holds
// none, until nothing is in work.
type smallSet[T, K comparable] struct {
	many    atomic.Bool // changed with the queue's lock held
	n       int
	entries [4]*entry[T, K]
}

// add remembers an entry that was handed out.
func (f *smallSet[T, K]) add(e *entry[T, K]) {
	switch {
	case f.many.Load():
	case f.n < len(f.entries):
		f.entries[f.n] = e
		f.n++
	default:
		f.entries, f.n = [len(f.entries)]*entry[T, K]{}, 0
		f.many.Store(true)
	}
}

// take finds the entry of an identity and forgets it. Without many, what is
// not found is not in work.
func (f *smallSet[T, K]) take(key *K) *entry[T, K] {
	for i, e := range f.entries[:f.n] {
		if e.key == *key {
			f.n--
			f.entries[i] = f.entries[f.n]
			f.entries[f.n] = nil
			return e
		}
	}
	return nil
}

// GetBatch is GetWithPriority for several items at once. It waits for one, and
// calls take with it and with what else has its turn and a token at that moment,
// until there are most items or their sizes reach bytes. Both functions are called
// with the queue locked: they must not block nor call the queue. most is told how
// many items are ready, and is called once there is one. Done must be called with
// each item. GetBatch returns how many items are in work then, these included.
func (q *Queue[T, K]) GetBatch(most func(ready int) int, bytes int, take func(item T, priority int)) (inWork int, shutdown bool) {
	q.mu.Lock()
	defer q.unlock()
	e := q.nextLocked()
	if e == nil {
		return 0, true
	}
	q.takeBatchLocked(e, most(q.ready), bytes, take)
	q.passOnLocked()
	return q.inWork, false
}

// GetMore is GetBatch for a worker that has items already: it waits for another one
// for so long and, once the intake has stopped, not at all. It returns whether more may
// come.
func (q *Queue[T, K]) GetMore(wait time.Duration, most, bytes int, take func(item T, priority int)) (more bool) {
	q.mu.Lock()
	defer q.unlock()
	e := q.pickLocked()
	if e == nil && !q.shut {
		over := false
		timer := time.AfterFunc(wait, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			over = true
			q.workers.Broadcast()
		})
		for e == nil && !over && !q.shut {
			e = q.sleepLocked()
		}
		timer.Stop()
	}
	if e != nil {
		q.takeBatchLocked(e, most, bytes, take)
	}
	q.passOnLocked() // also what it was woken for and has not taken
	return !q.shut
}

// takeBatchLocked hands out e, and what else is ready, until that are most items or bytes.
func (q *Queue[T, K]) takeBatchLocked(e *entry[T, K], most, bytes int, take func(item T, priority int)) {
	stamp := q.stampLocked()
	for e != nil {
		take(e.item, e.priority)
		most, bytes = most-1, bytes-e.size
		q.handOutLocked(e, stamp)
		if e = nil; most > 0 && bytes > 0 {
			e = q.pickLocked()
		}
	}
}

// sleepLocked waits until the worker is woken, and takes what can be handed out then.
func (q *Queue[T, K]) sleepLocked() *entry[T, K] {
	q.asleep++
	q.workers.Wait()
	q.asleep--
	q.woken = max(q.woken-1, 0) // a Broadcast wakes without being counted
	return q.pickLocked()
}

// nextLocked waits for an item that can be handed out, and takes it from its
// lane. It returns nil when the queue shuts down and there is none.
func (q *Queue[T, K]) nextLocked() *entry[T, K] {
	e := q.pickLocked()
	for e == nil {
		if q.shut && q.ready == 0 {
			return nil
		}
		e = q.sleepLocked()
	}
	return e
}

// handOutLocked begins the work on what nextLocked returned.
func (q *Queue[T, K]) handOutLocked(e *entry[T, K], stamp time.Duration) {
	l := e.lane
	l.begin(e, stamp)
	if q.o.Newer != nil {
		if e.work == nil {
			e.work = new(T)
		}
		*e.work = e.item
	}
	e.item = *new(T)
	e.working, e.workSize, e.workClass = l, e.size, classOf(e.priority)
	l.inWork++
	l.workBytes += int64(e.size)
	q.inWork++
	q.smallSet.add(e)
	l.handedOut++
	q.admitLocked(l)
}

// passOnLocked wakes who else is to be woken once a worker has what it wants.
func (q *Queue[T, K]) passOnLocked() {
	// A signal may have stood for more than one item, and shutting down is
	// over for all workers at once.
	if q.shut {
		q.workers.Broadcast()
	} else if q.ring.N > 0 && !q.isFullLocked() {
		q.wakeLocked()
	}
}

// Done ends the work on an item that Get handed out. Another one of its
// identity that came meanwhile is handed out from now on. For an item that is
// not in work Done does nothing.
func (q *Queue[T, K]) Done(item T) {
	var own K
	key := q.key(&item, &own)
	hashed := q.smallSet.many.Load()
	var hash uint64
	if hashed {
		hash = q.entries.hash(*key)
	}
	q.mu.Lock()
	defer q.unlock() // also if Known panics
	var e *entry[T, K]
	if !q.smallSet.many.Load() {
		e = q.smallSet.take(key)
	} else {
		if !hashed { // they have become many just now
			hash = q.entries.hash(*key)
		}
		e = q.entries.find(hash, key)
	}
	if e != nil && e.working != nil {
		q.doneLocked(e)
	}
}

func (q *Queue[T, K]) doneLocked(e *entry[T, K]) {
	l := e.working
	e.working = nil
	if q.o.Newer != nil {
		*e.work = *new(T)
	}
	l.bytes[e.workClass] -= int64(e.workSize)
	l.finish(e, q.stampLocked())
	l.inWork--
	l.workBytes -= int64(e.workSize)
	q.inWork--
	if q.inWork == 0 && q.smallSet.many.Load() {
		q.smallSet.many.Store(false)
	}
	if e.refused {
		e.refused = false
		q.lost++
	}
	home := e.lane
	switch {
	case !e.waiting():
	case q.isHeldLocked(&e.item):
		q.leaveLocked(e)
		e.lane.bytes[classOf(e.priority)] -= int64(e.size)
		q.asideLocked(e)
	default:
		e.place.Leave()
		q.readyLocked(e)
	}
	q.resumeLocked(l)
	if q.inFlight > 0 && q.ring.N > 0 {
		q.wakeLocked() // one may wait for this
	}
	q.releaseLocked(e)
	if q.shut {
		q.dropHeldLocked(home) // what has waited for this Done
	}
	q.admitLocked(l)
	if l.leaving && l.inWork == 0 {
		if q.lanes[l.name] == nil && q.o.Left != nil { // the removal has not waited
			q.left = l.name
		}
		q.freeLaneLocked(l)
		close(l.idle)
	}
	q.settleLocked()
	if q.o.Known != nil {
		q.forgetLocked(l) // last, because Known may panic
	}
}
