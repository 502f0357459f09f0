package queue

// snapshotTurn is which pick of a lane takes the snapshot class first.
const snapshotTurn = 8

// The lanes that have something ready stand in a ring: the first one is picked
// from as often as its weight says, then goes to the end. A lane that becomes
// ready enters at the end with the credit of one turn, so one that was empty
// has saved up nothing. One that has no token for what is ready leaves the ring
// until one is due, and nobody looks at it meanwhile; so does one that has as
// much in work as it may.

// pickLocked takes the next item out of the lane whose turn it is and that has
// a token. It returns nil if there is none.
func (q *Queue[T, K]) pickLocked() *entry[T, K] {
	if q.isFullLocked() {
		return nil // Done wakes the next
	}
	for n := q.ring.Head; n != nil; n = q.ring.Head {
		l := n.Self
		if q.isBusyLocked(l) {
			l.turn.Leave() // resumeLocked brings it back
			continue
		}
		if q.limited && !q.mayPassLocked() {
			return nil // openLocked wakes the next
		}
		if e := q.takeLocked(l); e != nil {
			if q.limited {
				q.passLocked()
			}
			return e
		}
	}
	return nil
}

// isBusyLocked tells whether a lane has as much in work as it may.
func (q *Queue[T, K]) isBusyLocked(l *lane[T, K]) bool {
	return q.o.MaxInFlight > 0 && l.inWork >= q.o.MaxInFlight
}

// isFullLocked tells whether as much is in work as may be, over all lanes.
func (q *Queue[T, K]) isFullLocked() bool { return q.inFlight > 0 && q.inWork >= q.inFlight }

// wakeLocked wakes a worker, if one sleeps, because there may be something to
// hand out. One that is about to wake up takes what it wants and wakes the next
// if it leaves something: what comes in a burst does not wake all at once. While the whole
// queue waits for a token, nobody needs to look.
func (q *Queue[T, K]) wakeLocked() {
	if q.asleep > 0 && q.woken == 0 && !(q.limited && q.total.token.set()) {
		q.woken++
		q.workers.Signal()
	}
}

// SetMaxInFlight changes Options.MaxInFlight, from the next Get on; zero is no
// limit.
func (q *Queue[T, K]) SetMaxInFlight(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.o.MaxInFlight = n
	for _, l := range q.lanes {
		q.resumeLocked(l)
	}
}

// SetInFlight sets how many items may be in work at once, over all lanes; zero,
// also for anything below, is no limit, as at first. A Get beyond it waits for a
// Done. It holds from the next Get on: what is in work already stays there.
// MaxInFlight is how much of it one cluster may have.
func (q *Queue[T, K]) SetInFlight(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inFlight = max(n, 0)
	if q.ring.N > 0 && !q.isFullLocked() {
		q.wakeLocked()
	}
}

// resumeLocked brings a lane that was busy back into the ring.
func (q *Queue[T, K]) resumeLocked(l *lane[T, K]) {
	if l.turn.List == nil && (l.isOpen(live) || l.isOpen(snapshot)) {
		q.enterLocked(l)
		q.wakeLocked()
	}
}

// takeLocked takes the next item out of the first lane of the ring: a live one,
// and every eighth time one of the snapshot class, or of the other class if there
// is none, or no token for it. If it returns nil the lane has left the ring.
func (q *Queue[T, K]) takeLocked(l *lane[T, K]) *entry[T, K] {
	c, other := live, snapshot
	if (l.picks+1)%snapshotTurn == 0 {
		c, other = snapshot, live
	}
	if !q.hasTokenLocked(l, c) {
		if c = other; !q.hasTokenLocked(l, c) {
			l.turn.Leave()
			return nil
		}
	}
	l.picks++
	e := l.ready[c].Head.Self
	q.leaveLocked(e)
	l.credit--
	switch {
	case !l.isOpen(live) && !l.isOpen(snapshot):
		l.turn.Leave()
	case l.credit <= 0:
		l.turn.Leave()
		q.enterLocked(l)
	}
	return e
}

// enterLocked puts a lane at the end of the ring, with the credit of one turn.
func (q *Queue[T, K]) enterLocked(l *lane[T, K]) {
	l.credit = l.weight
	q.ring.PushBack(&l.turn)
}

// SetWeight sets how many items a cluster may have handed out per round
// between clusters that all have some ready. One, also for anything below, is
// the default. The weight stays when the cluster is removed, and applies when
// it comes back.
func (q *Queue[T, K]) SetWeight(cluster string, w int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w = max(w, 1)
	if w == 1 {
		delete(q.weights, cluster)
	} else {
		q.weights[cluster] = w
	}
	if l := q.lanes[cluster]; l != nil {
		l.weight = w
		l.credit = min(l.credit, w)
	}
}
