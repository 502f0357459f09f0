package queue

import (
	"context"
	"fmt"

	"github.com/fairlead-dev/fairlead/internal/list"
)

// offer is an item that stands blocked in Offer.
type offer[T, K comparable] struct {
	entry    *entry[T, K]
	item     T
	size     int
	priority int
	place    list.Node[*offer[T, K]] // in its lane's offers
	peer     list.Node[*offer[T, K]] // among the Offers of its identity
	// done is closed once the offer has been admitted or refused; err is set
	// before. Until then it stands in both lists.
	done chan struct{}
	err  error
}

// Offer adds an item as Add does, but blocks while the item's lane is full. If one
// of its identity waits there already, or is delayed, the item only has to fit in its
// place: it blocks if it is larger and there is no room for that. Items of priority below zero are of the snapshot
// class, all others live.
//
// It returns nil once the item, or a newer one of its identity, waits in the
// lane or is in work; an error that wraps ctx.Err() if ctx ends before;
// ErrClusterRemoved or ErrShuttingDown. On an error the item has not been added,
// and Discard is not told of it. Blocked Offers of a lane are admitted in the
// order they came, live ones before those of the snapshot class; of those of one
// identity the newest. For an item that Hold.Items holds it blocks until that is let go. An
// item that is held gives up what it can before it blocks: see Options.Evict. If there is
// room at once ctx is not looked at.
func (q *Queue[T, K]) Offer(ctx context.Context, item T, priority int) error {
	o, released, err := q.offer(&item, priority, true)
	for released != nil {
		select {
		case <-released:
			o, released, err = q.offer(&item, priority, true)
		case <-ctx.Done():
			return fmt.Errorf("wait for an item of cluster %q that is held: %w", q.o.Cluster(item), ctx.Err())
		}
	}
	if o == nil {
		return err
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.unlock()
	if o.place.List == nil { // decided meanwhile
		return o.err
	}
	e := o.entry
	l := e.lane
	q.resolveLocked(o, nil)
	q.releaseLocked(e)
	q.admitLocked(l) // it may have kept smaller ones out
	return fmt.Errorf("wait for room in the lane of cluster %q: %w", l.name, ctx.Err())
}

// TryOffer is Offer without the waiting: where that would block, it returns
// ErrFull at once.
func (q *Queue[T, K]) TryOffer(item T, priority int) error {
	_, _, err := q.offer(&item, priority, false)
	return err
}

// offer lets an item in if there is room. Else it returns the offer that stands
// blocked from now on, or, for an item that is held, what is closed when it may not be any
// more; or if it must not block ErrFull.
func (q *Queue[T, K]) offer(item *T, priority int, block bool) (_ *offer[T, K], released <-chan struct{}, _ error) {
	var own K
	key, hash, cluster, size := q.describe(item, &own)
	q.mu.Lock()
	defer q.unlock()
	e, err := q.arriveLocked(key, hash, cluster)
	switch {
	case err != nil:
		return nil, nil, err
	case q.isHeldLocked(item) && !q.isOutdatedLocked(e, item):
		q.releaseLocked(e)
		if !block {
			return nil, nil, ErrFull
		}
		if q.o.Evict != nil {
			q.o.Evict(*item)
		}
		return nil, q.whenReleasedLocked(), nil
	case q.entersLocked(e, item, priority, size) || q.reclaimLocked(e.lane, e.present()) && q.entersLocked(e, item, priority, size):
		q.putLocked(e, item, size, priority)
		return nil, nil, nil
	case !block:
		q.releaseLocked(e)
		return nil, nil, ErrFull
	}
	o := q.blockLocked(e, *item, size, priority)
	q.admitLocked(e.lane) // those of its identity may need less room with it
	return o, nil, nil
}

// entersLocked reports whether an item does not have to wait: it may enter its lane, or
// there is a newer one already.
func (q *Queue[T, K]) entersLocked(e *entry[T, K], item *T, priority, size int) bool {
	return q.isOutdatedLocked(e, item) || q.roomLocked(e, priority, size)
}

// roomLocked reports whether an item may enter its lane: in the place of one
// of its identity, else past none that it must not overtake.
func (q *Queue[T, K]) roomLocked(e *entry[T, K], priority, size int) bool {
	if l, c := e.lane, classOf(priority); !e.present() && (l.offers[live].N > 0 || c == snapshot && l.offers[snapshot].N > 0) {
		return false
	}
	return q.fitsLocked(e, priority, size)
}

func (q *Queue[T, K]) blockLocked(e *entry[T, K], item T, size, priority int) *offer[T, K] {
	o := &offer[T, K]{entry: e, item: item, size: size, priority: priority, done: make(chan struct{})}
	o.place.Self, o.peer.Self = o, o
	l := e.lane
	if l.offers[live].N+l.offers[snapshot].N == 0 {
		l.blockedSince = q.now()
	}
	l.offers[classOf(priority)].PushBack(&o.place)
	e.blocked.PushBack(&o.peer)
	if l.paused {
		q.evictOfferLocked(o)
	}
	return o
}

// resolveLocked ends the blocking of an offer.
func (q *Queue[T, K]) resolveLocked(o *offer[T, K], err error) {
	o.place.Leave()
	o.peer.Leave()
	if l := o.entry.lane; l.offers[live].N+l.offers[snapshot].N == 0 {
		l.blockedFor += q.now() - l.blockedSince
	}
	o.err = err
	close(o.done)
}

// nextOfferLocked returns the blocked offer whose turn it is: a live one, and
// every eighth time that both classes stand blocked one of the snapshot class,
// or else a first list would never get past a stream that is always ahead of
// its bucket. It forgoes that turn only if its class has had its share of the
// lane already.
func (q *Queue[T, K]) nextOfferLocked(l *lane[T, K]) *offer[T, K] {
	first, second := l.offers[live].Head, l.offers[snapshot].Head
	switch {
	case first == nil && second == nil:
		return nil
	case first == nil:
		return second.Self
	case second == nil, (l.bothBlocked+1)%snapshotTurn != 0:
		return first.Self
	}
	e := second.Self.entry
	if !q.fitsOfferLocked(second.Self) && q.fitsLocked(e, 0, q.newestOffer(e).size) {
		return first.Self
	}
	return second.Self
}

// fitsOfferLocked reports whether there is room for what would be admitted with a
// blocked offer: the newest of its identity.
func (q *Queue[T, K]) fitsOfferLocked(o *offer[T, K]) bool {
	return q.fitsLocked(o.entry, o.entry.blockedPriority(), q.newestOffer(o.entry).size)
}

// newestOffer returns the blocked offer of e whose item is the newest: the last
// one, if nothing else is known.
func (q *Queue[T, K]) newestOffer(e *entry[T, K]) *offer[T, K] {
	if q.o.Newer == nil {
		return e.blocked.Tail.Self
	}
	newest := e.blocked.Head.Self
	for n := e.blocked.Head.Next; n != nil; n = n.Next {
		if !q.o.Newer(newest.item, n.Self.item) {
			newest = n.Self
		}
	}
	return newest
}

// blockedPriority is the highest priority among the blocked offers of e.
func (e *entry[T, K]) blockedPriority() int {
	priority := e.blocked.Head.Self.priority
	for n := e.blocked.Head.Next; n != nil; n = n.Next {
		priority = max(priority, n.Self.priority)
	}
	return priority
}

// admitGroupLocked admits all blocked offers of e's identity: the newest item
// waits, and has replaced the others.
func (q *Queue[T, K]) admitGroupLocked(e *entry[T, K]) {
	o, priority := q.newestOffer(e), e.blockedPriority()
	e.lane.added++
	q.resolveLocked(o, nil)
	q.replaceLocked(e, &o.item, o.size, priority)
	for e.blocked.N > 0 {
		q.supersedeLocked(e, e.blocked.Head.Self)
	}
}

// supersedeLocked ends the blocking of an offer whose item is older than what
// waits or is in work of its identity.
func (q *Queue[T, K]) supersedeLocked(e *entry[T, K], o *offer[T, K]) {
	e.lane.added++
	q.giveWayLocked(e, &o.item, o.priority)
	q.resolveLocked(o, nil)
}

// mergeOffersLocked settles the blocked offers of e's identity with what has
// just come of it: those that are older are over, and else the newest takes its
// place, if there is room for that. Without Newer, what has arrived is newer than
// they, and what was brought back is older.
func (q *Queue[T, K]) mergeOffersLocked(e *entry[T, K], arrived bool) {
	if e.blocked.N == 0 || !e.present() {
		return
	}
	for n := e.blocked.Head; n != nil; {
		o := n.Self
		n = n.Next
		if q.o.Newer == nil && arrived || q.o.Newer != nil && !q.o.Newer(o.item, e.item) {
			q.supersedeLocked(e, o)
		}
	}
	if e.blocked.N == 0 {
		return
	}
	if q.fitsOfferLocked(e.blocked.Head.Self) {
		q.admitGroupLocked(e)
	}
}
