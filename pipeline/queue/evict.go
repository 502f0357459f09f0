package queue

import (
	"time"

	"github.com/fairlead-dev/fairlead/internal/list"
)

// What is delayed or held need not keep its memory, if it can be had again: it stays in its lane,
// and counts there for what is left of it. It is evicted when somebody else wants the
// memory, and not before: whoever hands out what was evicted has to get it again.

// keepsFor is for how long an item that is delayed keeps what it has, in any case: to get
// it again is not worth it.
const keepsFor = time.Second

// Evict has everything that is delayed or held give up what of it can be had again: see
// Options.Evict.
func (q *Queue[T, K]) Evict() {
	q.mu.Lock()
	defer q.unlock()
	if q.evictable == 0 {
		return
	}
	for _, l := range q.lanes {
		q.evictLocked(l)
	}
}

// reclaimLocked evicts what is delayed in a lane for somebody who lacks room there, and
// lets in who has it then. It reports whether it has; not if the lane is held, and so is to
// fill up, nor if it is full by number, which is left as it is, unless an item comes in the
// place of one.
func (q *Queue[T, K]) reclaimLocked(l *lane[T, K], inPlace bool) bool {
	if l.evicts == 0 || l.paused || !inPlace && l.depth[live]+l.depth[snapshot] >= q.o.LaneCapacity {
		return false
	}
	q.evictListLocked(&l.delayed) // what stands aside takes no room
	q.admitLocked(l)
	return true
}

func (q *Queue[T, K]) evictLocked(l *lane[T, K]) {
	if l.evicts == 0 {
		return
	}
	q.evictListLocked(&l.delayed)
	q.evictListLocked(&l.aside)
	if l.paused {
		for _, entries := range l.inLine() {
			q.evictListLocked(entries)
		}
	}
	q.admitLocked(l)
}

func (q *Queue[T, K]) evictListLocked(entries *list.List[*entry[T, K]]) {
	for n := entries.Head; n != nil; n = n.Next {
		if n.Self.evictable {
			q.evictEntryLocked(n.Self)
		}
	}
}

// evictOfferLocked evicts what stands blocked at a lane that is held. It does so at once:
// there is one for each of those that offer, and it may stand there for long.
func (q *Queue[T, K]) evictOfferLocked(o *offer[T, K]) {
	if q.o.Evict != nil {
		o.size = max(q.o.Evict(o.item), 0)
	}
}

func (q *Queue[T, K]) evictEntryLocked(e *entry[T, K]) {
	size := max(q.o.Evict(e.item), 0)
	e.countSizeLocked(size - e.size)
	e.size = size
	q.keepLocked(e)
}

// mayEvictLocked notes that e can be evicted, if it is delayed for long; at once if
// somebody has no room in its lane.
func (q *Queue[T, K]) mayEvictLocked(e *entry[T, K], wait time.Duration) {
	if q.o.Evict == nil || !e.delayed() || e.evictable || wait <= keepsFor {
		return
	}
	l := e.lane
	e.evictable = true
	l.evicts++
	q.evictable++
	if !l.paused && l.offers[live].N+l.offers[snapshot].N+l.rooms.N > 0 && l.depth[live]+l.depth[snapshot] < q.o.LaneCapacity {
		q.evictEntryLocked(e)
	}
}

// keepLocked notes that e is not to be evicted any more.
func (q *Queue[T, K]) keepLocked(e *entry[T, K]) {
	if e.evictable {
		e.evictable = false
		e.lane.evicts--
		q.evictable--
	}
}
