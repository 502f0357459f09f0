package pipeline

import (
	"context"
	"fmt"
)

// offer is an item that stands blocked in Offer.
type offer[T, K comparable] struct {
	entry    *entry[T, K]
	item     T
	size     int
	priority int
	place    node[*offer[T, K]] // in its lane's offers
	peer     node[*offer[T, K]] // among the Offers of its identity
	// done is closed once the offer has been admitted or refused; err is set
	// before. Until then it stands in both lists.
	done chan struct{}
	err  error
}

// Offer adds an item as Add does, but blocks while the item's lane is full. If
// one of its identity waits there already, the item only has to fit in its
// place: it blocks if it is larger and the lane has no room for that. Items of
// priority below zero are of the snapshot class, all others live.
//
// It returns nil once the item, or a newer one of its identity, waits in the
// lane; an error that wraps ctx.Err() if ctx ends before; ErrClusterRemoved or
// ErrShuttingDown. On an error the item has not been added. Blocked Offers of
// a lane are admitted in the order they came, live ones before those of the
// snapshot class. If there is room at once ctx is not looked at.
func (q *Queue[T, K]) Offer(ctx context.Context, item T, priority int) error {
	var own K
	key, hash, cluster, size := q.describe(&item, &own)
	q.mu.Lock()
	e, err := q.arriveLocked(key, hash, cluster)
	if err != nil {
		q.mu.Unlock()
		return err
	}
	if q.roomLocked(e, priority, size) {
		q.putLocked(e, &item, size, priority)
		q.mu.Unlock()
		return nil
	}
	o := q.blockLocked(e, item, size, priority)
	q.mu.Unlock()

	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if o.place.list == nil { // decided meanwhile
		return o.err
	}
	l := o.entry.lane
	q.resolveLocked(o, nil)
	q.releaseLocked(e)
	q.admitLocked(l) // it may have kept smaller ones out
	return fmt.Errorf("wait for room in the lane of cluster %q: %w", cluster, ctx.Err())
}

// roomLocked reports whether an item may enter its lane: in the place of one
// of its identity, else past none that it must not overtake.
func (q *Queue[T, K]) roomLocked(e *entry[T, K], priority, size int) bool {
	if !e.waiting() {
		l, c := e.lane, classOf(priority)
		if l.offers[live].n > 0 || c == snapshot && l.offers[snapshot].n > 0 {
			return false
		}
	}
	return q.fitsLocked(e, priority, size)
}

func (q *Queue[T, K]) blockLocked(e *entry[T, K], item T, size, priority int) *offer[T, K] {
	o := &offer[T, K]{entry: e, item: item, size: size, priority: priority, done: make(chan struct{})}
	o.place.self, o.peer.self = o, o
	l := e.lane
	if l.offers[live].n+l.offers[snapshot].n == 0 {
		l.blockedSince = q.now()
	}
	l.offers[classOf(priority)].pushBack(&o.place)
	e.blocked.pushBack(&o.peer)
	return o
}

// resolveLocked ends the blocking of an offer.
func (q *Queue[T, K]) resolveLocked(o *offer[T, K], err error) {
	o.place.leave()
	o.peer.leave()
	if l := o.entry.lane; l.offers[live].n+l.offers[snapshot].n == 0 {
		l.blockedFor += q.now() - l.blockedSince
	}
	o.err = err
	close(o.done)
}

// admitLocked lets blocked offers in as far as there is room. Call it after
// anything that made room, once the entry at hand is settled.
func (q *Queue[T, K]) admitLocked(l *lane[T, K]) {
	for {
		o := q.nextOfferLocked(l)
		if o == nil || !q.fitsLocked(o.entry, o.entry.blockedPriority(), o.entry.blocked.tail.self.size) {
			return
		}
		if l.offers[live].n > 0 && l.offers[snapshot].n > 0 {
			l.contested++
		}
		q.admitGroupLocked(o.entry)
	}
}

// nextOfferLocked returns the blocked offer whose turn it is: a live one, and
// every eighth time that both classes stand blocked one of the snapshot class,
// or else a first list would never get past a stream that is always ahead of
// its bucket. It forgoes that turn only if its class has had its share of the
// lane already.
func (q *Queue[T, K]) nextOfferLocked(l *lane[T, K]) *offer[T, K] {
	first, second := l.offers[live].head, l.offers[snapshot].head
	switch {
	case first == nil && second == nil:
		return nil
	case first == nil:
		return second.self
	case second == nil, (l.contested+1)%snapshotTurn != 0:
		return first.self
	}
	e := second.self.entry
	size := e.blocked.tail.self.size
	if !q.fitsLocked(e, e.blockedPriority(), size) && q.fitsLocked(e, 0, size) {
		return first.self
	}
	return second.self
}

// fitsLocked reports whether an item has room in the lane of its entry: in the
// place of one that waits, or beside the others.
func (q *Queue[T, K]) fitsLocked(e *entry[T, K], priority, size int) bool {
	if e.waiting() {
		return e.lane.fitsInPlace(&q.o, e, classOf(max(priority, e.priority)), size)
	}
	return e.lane.fits(&q.o, classOf(priority), size)
}

// blockedPriority is the highest priority among the blocked offers of e.
func (e *entry[T, K]) blockedPriority() int {
	priority := e.blocked.head.self.priority
	for n := e.blocked.head.next; n != nil; n = n.next {
		priority = max(priority, n.self.priority)
	}
	return priority
}

// admitGroupLocked admits all blocked offers of e's identity: the newest item
// waits, and has replaced the others.
func (q *Queue[T, K]) admitGroupLocked(e *entry[T, K]) {
	o := e.blocked.tail.self
	priority := e.blockedPriority()
	q.resolveLocked(o, nil)
	q.supersedeLocked(e)
	q.replaceLocked(e, &o.item, o.size, priority)
}

// supersedeLocked ends the blocking of e's offers, whose items are older than
// one that waits or is about to.
func (q *Queue[T, K]) supersedeLocked(e *entry[T, K]) {
	for e.blocked.n > 0 {
		e.lane.added++
		e.lane.coalesced++
		q.resolveLocked(e.blocked.head.self, nil)
	}
}
