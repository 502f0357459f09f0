package queue

import (
	"time"

	"github.com/fairlead-dev/fairlead/internal/list"
)

// mostAhead is how many items Find counts: it holds the lock meanwhile.
const mostAhead = 4096

// Place is where an identity stands in a queue.
type Place struct {
	// InWork is whether an item was handed out and is not Done. WorkedFor is for how long;
	// 0 if that is not measured, see Lanes.
	InWork    bool
	WorkedFor time.Duration
	// Waits is whether an item waits or is delayed; Snapshot is its class.
	Waits, Snapshot bool
	// Delay is until when an item that was brought back is delayed; 0: it is not.
	Delay time.Duration
	// Ahead counts the items of its class that the lane hands out before it, up to 4096.
	Ahead int
	// Line is how many items the lane has of its class, without those that are delayed.
	Line int
	// Token is until when there is no token for the next item of the class; 0: there may be
	// one.
	Token time.Duration
	// Blocked is whether an Offer of the identity waits for room in the lane.
	Blocked bool
}

// Find tells where an identity stands; not ok: the queue has nothing of it. It holds the
// lock for some 10 µs where the lane is long.
func (q *Queue[T, K]) Find(key K) (p Place, ok bool) {
	hash := q.entries.hash(key)
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.entries.find(hash, &key)
	if e == nil {
		return p, false
	}
	now := q.now()
	p.Blocked = e.blocked.N > 0
	if p.InWork = e.working != nil; p.InWork && e.begun != 0 {
		p.WorkedFor = now + 1 - e.begun // stamps are one more
	}
	if p.Waits = e.present(); !p.Waits {
		return p, true
	}
	c := classOf(e.priority)
	p.Snapshot, p.Line = c == snapshot, e.lane.depth[c]-e.lane.late[c]
	if e.delayed() {
		p.Delay = max(e.when.due-now, 1)
		return p, true
	}
	if g := e.lane.gate[c]; g.token.set() {
		p.Token = max(g.token.due-now, 1)
	}
	p.Ahead = ahead(&e.place)
	return p, true
}

// ahead counts the elements before one in its list, up to mostAhead.
func ahead[E any](of *list.Node[E]) (n int) {
	for at := of.List.Head; at != of && n < mostAhead; at = at.Next {
		n++
	}
	return n
}
