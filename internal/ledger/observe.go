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
	// Paid: a token was taken for the state before; see Cursor.Paid.
	Paid bool

	name name // so that the cursors of all routes share its memory
}

// State is what a stream has read of an object.
type State struct {
	Version  Version
	Deleted  bool // the object is gone, and this was its last state
	Snapshot bool // it was read from a snapshot
	// Outside: the stream's selection does not hold the state. If the sink may hold the
	// object, that is a deletion; in a snapshot the sweep finds it.
	Outside bool
	// Stays: it is outside only because of how it was read. In a snapshot the sink keeps
	// what it has of the object then.
	Stays bool
	// Digest is that of what counts in the state. One with the digest of the acked state
	// is no change. 0: every version counts.
	Digest uint64
}

// Observe records a state that the stream has read and returns what to do with it.
// A state to deliver is pending, under its sequence, until it is acked or one
// observed later is; the stream calls Seen once it has handed it over. One that it
// cannot hand over it reads again, as it has not Seen it. like is
// what another route's cursor has made of the same frame; it may be nil.
func (c *Cursor) Observe(n Name, v Version, deleted, snapshot bool, like *Observation) Observation {
	return c.ObserveState(n, State{Version: v, Deleted: deleted, Snapshot: snapshot}, like)
}

// ObserveState is Observe for a stream that selects among the states that it reads.
func (c *Cursor) ObserveState(n Name, s State, like *Observation) Observation {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lostLocked() {
		return Observation{Verdict: Lost}
	}
	key := c.keyLocked(n)
	u, isNonUUID := uidOf(s.Version.UID)
	seen := version{u, parseRV(s.Version.ResourceVersion)}
	deleted, snapshot := s.Deleted, s.Snapshot
	s.Digest = KeptDigest(s.Digest)

	p := c.pending[name(key)]
	acked := c.acked.get(key)
	if s.Outside && snapshot && s.Stays {
		c.staysLocked(p, acked, u)
	}
	if s.Outside && (snapshot || !c.leavesLocked(key, p, acked)) {
		return Observation{Verdict: Filtered}
	}
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
		if acked != nil && !deleted && acked.version == seen && acked.due == c.due && len(c.unackedUIDs[name(key)]) == 0 && !lingers && !s.Outside {
			c.learnDigestLocked(key, acked, s.Digest)
			return Observation{Verdict: Duplicate, name: acked.name}
		}
		if !snapshot && c.isStaleLocked(key, acked, seen, deleted) {
			return Observation{Verdict: Stale}
		}
		if !deleted && !s.Outside && !lingers && !(snapshot && c.doubted) && c.isUnchangedLocked(key, acked, seen, s.Digest) {
			c.seenLocked(seen.rv)
			return Observation{Verdict: Unchanged, name: acked.name}
		}
	} else if !snapshot && p.covers(seen, deleted || s.Outside) {
		return Observation{Verdict: Stale, name: p.name}
	}
	deleted = deleted || s.Outside
	if p == nil && acked == nil && !c.knowsLocked(key) && !c.admitLocked(key, deleted) {
		return Observation{Verdict: Refused}
	}
	if isNonUUID {
		c.keepNonUUIDLocked(u, s.Version.UID)
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
	if !deleted {
		p.digest = s.Digest
	}
	o.name, o.Generation, o.Paid = p.name, c.generationLocked(p.name, seen.uid), p.paid
	if c.writer != nil && !deleted && (acked == nil || acked.uid != seen.uid) {
		c.prewritableLocked(p)
	}
	return o
}

// Paid records that the stream has taken a token for what it has observed last of an object. When it
// observes the same again, before all that it has observed of the object is acked, the observation is
// said to be paid. Rewind and the end of the process forget it.
func (c *Cursor) Paid(n Name) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.pending[name(c.keyLocked(n))]; p != nil && !c.lostLocked() {
		p.paid = true
	}
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
	// Each snapshot that misses an object gives its deletion another version.
	p.paid = p.paid && p.latest == seen.uid && p.deleted == deleted && (deleted || p.rv == seen.rv)
	p.latest, p.rv, p.deleted, p.listed = seen.uid, seen.rv, deleted, snapshot
	p.digest = 0
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
