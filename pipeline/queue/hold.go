package queue

import (
	"slices"

	"github.com/fairlead-dev/fairlead/internal/list"
)

// Somebody may have the queue hold what it has: it hands nothing of that out until it is
// let go.
//
//	Hold.All, Hold.Clusters ── lanes ── keep what they have in line; full, they block Offer
//	Hold.Items ────────────── items ── stand aside in their lanes, and Offer blocks for more
//
// What is held may be evicted, as what is delayed for long, and what stands blocked in Offer
// because of that is. A lane that is held has its
// rules as ever, but no turn. An item that stands aside takes no room in its lane, so that
// those of the lane that are not held have all of it: there can be as many as a lane holds
// when the holding begins.

// Hold says what a queue does not hand out. The zero value is nothing.
type Hold[T any] struct {
	// All holds everything.
	All bool
	// Clusters holds the lanes of clusters. The map is the queue's from then on.
	Clusters map[string]bool
	// Items holds single items, in lanes that are not held. It must be pure, and is called
	// with the queue locked: it must not block, panic, nor call the queue. nil: none.
	Items func(T) bool
}

// Hold has the queue hold h from now on, and let go of what it held before and h does not.
// When it returns, nothing of h is handed out any more; what is in work goes on. While the
// queue shuts down, what is held is dropped as what is delayed: it could not be drained.
// The lock is held for one lane after the other.
func (q *Queue[T, K]) Hold(h Hold[T]) {
	q.mu.Lock()
	q.hold = h
	q.tellHeldLocked()
	var names []string
	for name := range q.lanes {
		names = append(names, name)
	}
	q.unlock()
	slices.Sort(names)
	for _, name := range names {
		q.mu.Lock()
		if l := q.lanes[name]; l != nil {
			q.holdLaneLocked(l)
		}
		q.unlock()
	}
}

// tellHeldLocked has the Offers that wait because their items are held look again.
func (q *Queue[T, K]) tellHeldLocked() {
	if q.released != nil {
		close(q.released)
		q.released = nil
	}
}

// whenReleasedLocked returns what is closed when held items may be no more.
func (q *Queue[T, K]) whenReleasedLocked() <-chan struct{} {
	if q.released == nil {
		q.released = make(chan struct{})
	}
	return q.released
}

// isHeldLocked reports whether an item is held by itself.
func (q *Queue[T, K]) isHeldLocked(item *T) bool { return q.hold.Items != nil && q.hold.Items(*item) }

// holdLaneLocked gives a lane what is to be held of it now.
func (q *Queue[T, K]) holdLaneLocked(l *lane[T, K]) {
	for n := l.aside.Head; n != nil; {
		e := n.Self
		n = n.Next
		if !q.isHeldLocked(&e.item) {
			q.unasideLocked(e)
			q.joinLocked(e)
			q.mergeOffersLocked(e, false)
		}
	}
	if q.hold.Items != nil {
		for c := range l.ready {
			for n := l.ready[c].Head; n != nil; {
				e := n.Self
				n = n.Next
				if q.isHeldLocked(&e.item) {
					q.leaveLocked(e)
					l.bytes[c] -= int64(e.size)
					q.asideLocked(e)
				}
			}
		}
	}
	if held := q.hold.All || q.hold.Clusters[l.name]; held != l.paused {
		q.pauseLocked(l, held)
	}
	if q.shut {
		q.dropHeldLocked(l)
	}
	q.admitLocked(l)
	if q.o.Known != nil {
		q.forgetLocked(l)
	}
}

// pauseLocked gives a lane no turn any more, or its turns back.
func (q *Queue[T, K]) pauseLocked(l *lane[T, K], paused bool) {
	ready := l.ready[live].N + l.ready[snapshot].N
	if paused {
		ready = -ready
	}
	q.countReadyLocked(ready)
	l.paused = paused
	for _, entries := range l.inLine() {
		for n := entries.Head; n != nil; n = n.Next {
			if paused {
				q.mayEvictHeldLocked(n.Self)
			} else {
				q.keepLocked(n.Self)
			}
		}
	}
	if !paused {
		q.reclaimLocked(l, false) // for those that have stood blocked meanwhile
		q.resumeLocked(l)
		return
	}
	for c := range l.offers {
		for n := l.offers[c].Head; n != nil; n = n.Next {
			q.evictOfferLocked(n.Self)
		}
	}
	if l.turn.List != nil {
		l.turn.Leave()
	}
}

// inLine returns the lists of what waits in a lane.
func (l *lane[T, K]) inLine() [3]*list.List[*entry[T, K]] {
	return [3]*list.List[*entry[T, K]]{&l.ready[live], &l.ready[snapshot], &l.waitingForDone}
}

// asideLocked puts e, that counts in no list of its lane, aside.
func (q *Queue[T, K]) asideLocked(e *entry[T, K]) {
	e.lane.aside.PushBack(&e.place)
	e.lane.asideBytes += int64(e.size)
	q.mayEvictHeldLocked(e)
}

// unasideLocked takes e, that stands aside, out of its lane.
func (q *Queue[T, K]) unasideLocked(e *entry[T, K]) {
	e.lane.asideBytes -= int64(e.size)
	e.place.Leave()
	q.keepLocked(e)
}

// mayEvictHeldLocked notes that e, that is held, can be evicted.
func (q *Queue[T, K]) mayEvictHeldLocked(e *entry[T, K]) {
	if q.o.Evict != nil && !e.evictable {
		e.evictable = true
		e.lane.evicts++
		q.evictable++
	}
}

// dropHeldLocked drops what is held of a lane, because of a shutdown. That may be all that a
// worker or a drain waits for.
func (q *Queue[T, K]) dropHeldLocked(l *lane[T, K]) {
	q.lost += len(q.dropListLocked(nil, l, &l.aside, dropShutdown))
	if l.paused {
		q.lost += len(q.emptyLocked(l, dropShutdown))
	}
	q.workers.Broadcast()
	q.settleLocked()
}
