package queue

import "errors"

// Items and identities are handed down by pointer, and no pointer is kept: on
// the way from the caller to the entry they are copied once.

// key returns the identity of an item: the item itself, or what it is told to
// be, in own.
func (q *Queue[T, K]) key(item *T, own *K) *K {
	if q.o.Identity == nil {
		return any(item).(*K) // New has made sure of it
	}
	*own = q.o.Identity(*item)
	return own
}

// identity is key by value.
func (q *Queue[T, K]) identity(item T) K {
	var own K
	return *q.key(&item, &own)
}

// describe asks the options' functions about an item, before any lock is
// taken.
func (q *Queue[T, K]) describe(item *T, own *K) (key *K, hash uint64, cluster string, size int) {
	key = q.key(item, own)
	if q.o.Size != nil {
		size = max(q.o.Size(*item), 0)
	}
	return key, q.entries.hash(*key), q.o.Cluster(*item), size
}

func (q *Queue[T, K]) add(item *T, priority int) {
	var own K
	key, hash, cluster, size := q.describe(item, &own)
	q.mu.Lock()
	if e, err := q.arriveLocked(key, hash, cluster); err == nil {
		q.putLocked(e, item, size, priority)
	} else {
		q.refuseLocked(item, key, hash, cluster, err)
	}
	q.unlock()
}

// arriveLocked returns the entry of an identity that an item arrives for.
func (q *Queue[T, K]) arriveLocked(key *K, hash uint64, cluster string) (*entry[T, K], error) {
	if q.shut {
		return nil, ErrShuttingDown
	}
	e := q.entries.find(hash, key)
	if e != nil && !e.lane.gone {
		if e.lane.leaving {
			return nil, ErrClusterRemoved
		}
		return e, nil
	}
	l := q.laneLocked(cluster)
	if l.leaving {
		return nil, ErrClusterRemoved
	}
	if e == nil {
		e = q.newEntryLocked(key, hash)
	}
	e.lane = l // a fresh one, if the entry is what was in work when the old one went
	return e, nil
}

// refuseLocked counts an item that did not arrive.
func (q *Queue[T, K]) refuseLocked(item *T, key *K, hash uint64, cluster string, err error) {
	q.discardLocked(item)
	reason := dropShutdown
	if errors.Is(err, ErrClusterRemoved) {
		reason = dropRemoved
	}
	if l := q.lanes[cluster]; l != nil {
		l.added++
		l.drop(reason, 1)
	}
	// If the work on it has failed and there is no newer one, whoever shuts the
	// queue down will want to know.
	if e := q.entries.find(hash, key); reason == dropShutdown && e != nil && e.working != nil && !e.waiting() {
		e.refused = true
	}
}

// putLocked takes in an item that arrives, or lets it give way to a newer one.
func (q *Queue[T, K]) putLocked(e *entry[T, K], item *T, size, priority int) {
	e.lane.added++
	if q.isOutdatedLocked(e, item) {
		q.giveWayLocked(e, item, priority)
	} else {
		q.replaceLocked(e, item, size, priority)
	}
	q.mergeOffersLocked(e, true)
	q.admitLocked(e.lane)
}

// replaceLocked lets an item wait in the place of the one that waits or is
// delayed, if any.
func (q *Queue[T, K]) replaceLocked(e *entry[T, K], item *T, size, priority int) {
	if e.present() {
		q.swapLocked(e, item, size, priority)
		if e.delayed() {
			q.undelayLocked(e)
			q.joinLocked(e)
		}
		return
	}
	e.item, e.size, e.priority = *item, size, priority
	q.joinLocked(e)
}

// swapLocked puts an item into the place of the one that waits or is delayed.
func (q *Queue[T, K]) swapLocked(e *entry[T, K], item *T, size, priority int) {
	e.lane.coalesced++
	if e.item != *item {
		q.discardLocked(&e.item)
	}
	e.countSizeLocked(size - e.size)
	e.item, e.size = *item, size
	q.raiseLocked(e, priority)
	if (e.aside() || e.waiting() && e.lane.paused) && !e.evictable {
		q.mayEvictHeldLocked(e) // unlike the one before, it may have something to give up
	}
}

// giveWayLocked lets go of an item of whose identity there is a newer one.
func (q *Queue[T, K]) giveWayLocked(e *entry[T, K], item *T, priority int) {
	e.lane.coalesced++
	if !e.present() {
		q.discardLocked(item)
		return
	}
	if e.item != *item {
		q.discardLocked(item)
	}
	q.raiseLocked(e, priority)
}

// isNewer reports whether a is known to be newer than b.
func (q *Queue[T, K]) isNewer(a, b *T) bool { return q.o.Newer != nil && q.o.Newer(*a, *b) }

// isOutdatedLocked reports whether what waits, is delayed or in work of e's
// identity is newer than an item.
func (q *Queue[T, K]) isOutdatedLocked(e *entry[T, K], item *T) bool {
	return q.o.Newer != nil && (e.present() && q.o.Newer(e.item, *item) || e.working != nil && q.o.Newer(*e.work, *item))
}

func (q *Queue[T, K]) newEntryLocked(key *K, hash uint64) *entry[T, K] {
	var e *entry[T, K]
	if n := len(q.free); n > 0 {
		e = q.free[n-1]
		q.free[n-1] = nil
		q.free = q.free[:n-1]
	} else {
		e = &entry[T, K]{}
		e.place.Self, e.when.self = e, e
	}
	e.key, e.hash = *key, hash
	q.entries.insert(e)
	return e
}

// releaseLocked forgets an identity of which nothing is left.
func (q *Queue[T, K]) releaseLocked(e *entry[T, K]) {
	if e.working != nil || e.place.List != nil || e.blocked.N > 0 {
		return
	}
	q.entries.remove(e)
	e.key, e.lane, e.refused, e.workSize = *new(K), nil, false, 0
	if len(q.free) < maxFree {
		q.free = append(q.free, e)
	}
}

// laneLocked returns a cluster's lane, a fresh one if there is none.
func (q *Queue[T, K]) laneLocked(cluster string) *lane[T, K] {
	l := q.lanes[cluster]
	if l == nil {
		l = &lane[T, K]{
			name:   cluster,
			weight: max(q.weights[cluster], 1),
			paused: q.hold.All || q.hold.Clusters[cluster],
		}
		l.turn.Self = l
		q.makeGatesLocked(l)
		q.lanes[cluster] = l
	}
	return l
}
