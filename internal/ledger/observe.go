package ledger

import "time"

// Observation is what an observed state has come to.
type Observation struct {
	// Sequence is the number of the observation among those of its cursor. Later
	// ones are higher, by 2: the number before is for the deletions of the UIDs
	// whose place it takes.
	Sequence uint64
	// Generation is that of the cursor: the same UID and version may come again
	// in another one, although something else was delivered in between.
	Generation uint32
	Verdict    Verdict

	name name // so that the cursors of all routes share its memory
}

// Observe records a state that the stream has read and returns what to do with it.
// A state to deliver is pending, under its sequence, until it is acked or one
// observed later is; the stream calls Seen once it has handed it over. One that it
// cannot hand over it reads again, as it has not Seen it. like is
// what another route's cursor has made of the same frame; it may be nil.
func (c *Cursor) Observe(n Name, v Version, deleted, snapshot bool, like *Observation) Observation {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lostLocked() {
		return Observation{Verdict: Lost}
	}
	key := c.keyLocked(n)
	u, isNonUUID := uidOf(v.UID)
	seen := version{u, parseRV(v.ResourceVersion)}

	p := c.pending[name(key)]
	acked := c.acked.get(key)
	if snapshot && acked != nil {
		acked.epoch = c.epoch
	}
	if snapshot && p != nil {
		p.epoch = c.epoch
	}
	_, lingers := c.lingering[name(key)]
	if p == nil {
		// What a sink may hold beyond the acked state does not go away when a
		// restored backup brings the acked one back; nor does what a worker holds.
		if acked != nil && !deleted && acked.version == seen && acked.due == c.due && len(c.unackedUIDs[name(key)]) == 0 && !lingers {
			return Observation{Verdict: Duplicate, name: acked.name}
		}
		if !snapshot && c.isStaleLocked(key, acked, seen, deleted) {
			return Observation{Verdict: Stale}
		}
	} else if !snapshot && p.covers(seen, deleted) {
		return Observation{Verdict: Stale, name: p.name}
	}
	if p == nil && acked == nil && !c.knowsLocked(key) && !c.admitLocked(key, deleted) {
		return Observation{Verdict: Refused}
	}
	if isNonUUID {
		c.keepNonUUIDLocked(u, v.UID)
	}
	if snapshot && c.isUndoneLocked(key, p, acked, seen.rv) {
		c.undoneLocked(seen.rv)
	}
	c.seenLocked(seen.rv)
	o := Observation{Verdict: Deliver}
	if p == nil && acked == nil && like != nil && string(like.name) == string(key) {
		p = c.addPendingLocked(like.name)
	}
	o.Sequence = c.pendLocked(key, p, seen, deleted, snapshot)
	p = c.pending[name(key)]
	o.name, o.Generation = p.name, c.generationLocked(p.name)
	if c.writer != nil && !deleted && (acked == nil || acked.uid != seen.uid) {
		c.prewritableLocked(p)
	}
	return o
}

// isStaleLocked reports whether a state that a watch shows, of an object of which
// nothing is pending, comes before what sinks have.
func (c *Cursor) isStaleLocked(key []byte, acked *object, seen version, deleted bool) bool {
	if gone, ok := c.deleted[name(key)]; ok && seen.rv.notAfter(gone) {
		return true
	}
	// API servers other than kube-apiserver need not give a deletion a version of
	// its own.
	last := deleted && acked != nil && acked.version == seen
	if acked != nil && seen.rv.notAfter(acked.rv) && !last {
		return true
	}
	// The sink may have the last unacked UID. To deliver an older state would delete
	// that one there first, although it exists. The watch shows it next.
	unacked := c.unackedUIDs[name(key)]
	return len(unacked) > 0 && seen.rv != unacked[len(unacked)-1].rv && seen.rv.notAfter(unacked[len(unacked)-1].rv)
}

// pendLocked makes an observation of key the newest pending one.
func (c *Cursor) pendLocked(key []byte, p *pending, seen version, deleted, snapshot bool) (sequence uint64) {
	sequence = c.numberLocked()
	if p == nil {
		p = c.addPendingLocked(c.nameLocked(key, nil))
	}
	c.pendAsLocked(p, sequence, seen, deleted, snapshot)
	return sequence
}

// pendAsLocked makes an observation with that number the newest pending one.
func (c *Cursor) pendAsLocked(p *pending, sequence uint64, seen version, deleted, snapshot bool) {
	if !p.waiting.listed() && !p.begun.listed() {
		p.done = sequence - 1
	}
	if snapshot || c.sweep != nil {
		p.epoch = c.epoch
	}
	p.latest, p.rv, p.deleted, p.listed = seen.uid, seen.rv, deleted, snapshot
	if !p.waiting.listed() {
		p.waiting = span{before: c.last, since: time.Now()}
		c.order.pushBack(&p.waiting)
	}
	p.waiting.last = sequence
}

func (c *Cursor) addPendingLocked(n name) *pending {
	p := pendings.Get().(*pending)
	p.name = n
	c.pending[n] = p
	c.mostPending = max(c.mostPending, len(c.pending))
	return p
}
