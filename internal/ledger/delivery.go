package ledger

import (
	"slices"
)

// mapsMayKeep is how many entries a map may have had before it is made anew
// once it is empty.
const mapsMayKeep = 1024

// Begin is called before a change is handed to its sink. It returns the other
// UIDs that the sink may hold under that name, which are to be deleted first, and
// whether it has accepted a state of this UID before. If there are GhostsAtOnce of these,
// they alone may be handed over, and Begin is called again once all of them are acked. The change may be handed
// over once safe is closed, at once if that is nil: the store must have an intent for a
// UID that it has never seen, and nothing is handed over while the store fails. A change that is superseded is not to be handed over at all, nor acked: a
// newer one of its object was begun or acked, what counts in it has been acked meanwhile,
// the cursor has another owner, or the ledger is being stored for the last time.
func (c *Cursor) Begin(sequence uint64, n Name, v Version, deleted bool) (ghosts []string, known bool, safe <-chan struct{}, superseded bool) {
	ghosts, known, unstored, superseded := c.begin(sequence, n, v, deleted)
	if c.writer != nil && !superseded {
		safe = c.writer.safe(c.cluster, unstored)
	}
	return ghosts, known, safe, superseded
}

// begin does all of Begin but wait for the store; unstored says that it must.
func (c *Cursor) begin(sequence uint64, n Name, v Version, deleted bool) (ghosts []string, known, unstored, superseded bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.keyLocked(n)
	p := c.pending[name(key)]
	if p == nil && !c.lostLocked() {
		p = c.pendRedeliveryLocked(key, sequence, c.versionLocked(v), deleted)
	}
	if c.closed || c.lostLocked() || p == nil || sequence <= p.done || sequence > max(p.begun.last, p.waiting.last) {
		c.givesUpLocked(key, sequence)
		return nil, false, false, true
	}
	if !deleted && c.settleUnchangedLocked(key, p, sequence) {
		return nil, false, false, true
	}
	u := c.uidLocked(v.UID)
	delete(c.lingering, p.name)
	c.beginLocked(p, sequence)
	p.done = sequence - 1
	unacked := c.unackedUIDs[name(key)]
	o := c.acked.get(key)
	known = o != nil && o.uid == u
	ghosts = c.ghostsLocked(o, unacked, u)
	goAlone := len(ghosts) >= c.ghostsAtOnce
	switch {
	case goAlone:
		c.holdBackLocked(p, sequence, o, version{u, parseRV(v.ResourceVersion)})
	case known && len(ghosts) > 0:
		c.noteAckedLocked(p.name, o) // the store has it once a ghost is acked there
	}
	if !deleted && !known && !goAlone && !slices.ContainsFunc(unacked, func(h version) bool { return h.uid == u && h.rv != isGone }) {
		at := p.name
		c.setUnackedLocked(at, append(withoutGone(unacked, u), version{u, parseRV(v.ResourceVersion)}))
		switch {
		case c.writer == nil:
		case p.prewritten.number != 0 && p.prewritten.uid == u:
			if !p.prewritten.stored {
				c.unstoredIntents[at] = max(c.unstoredIntents[at], p.prewritten.number)
			}
			p.prewritten = prewritten{}
		default:
			c.lastIntent++
			c.dirty[at], c.unstoredIntents[at] = struct{}{}, c.lastIntent
			if p.prewritten.uid != p.latest {
				p.prewritten = prewritten{} // of a state that another has replaced
			}
		}
	}
	// Also when an earlier Begin gave up before the intent was stored.
	_, unstored = c.unstoredIntents[name(key)]
	mayBeSeen := c.mayHandOverLocked(sequence, unstored)
	return ghosts, known, unstored || !mayBeSeen, false
}

// Leave is called after Begin for a change that will not be handed over, because the
// cluster has another state of its object by then. It stays pending, so that nothing
// is resumed from behind it, until that state is observed: by the watch, which tells
// of it, or by a snapshot, if an audit finds that the watch did not.
func (c *Cursor) Leave(sequence uint64, n Name) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.pending[name(c.keyLocked(n))]; p != nil {
		p.left = max(p.left, sequence)
	}
}

// touchLocked marks the record of an object as behind.
func (c *Cursor) touchLocked(n name) {
	if c.writer != nil {
		c.dirty[n] = struct{}{}
	}
}

// beginLocked moves what is covered up to sequence from waiting to begun.
func (c *Cursor) beginLocked(p *pending, sequence uint64) {
	begun, waiting := &p.begun, &p.waiting
	switch {
	case !waiting.listed(): // taken again after a failure
	case !begun.listed() && sequence >= waiting.last:
		c.order.move(waiting, begun)
		p.begunDigest = p.digest
	case !begun.listed():
		// The worker took the older item just before the stream replaced it
		// in the queue by one that is observed already.
		c.order.split(waiting, begun, sequence)
		p.begunDigest = 0
	case sequence >= waiting.last:
		// A newer state took the place of one that had failed.
		begun.last = waiting.last
		c.order.remove(waiting)
		p.begunDigest = p.digest
	default:
		begun.last = max(begun.last, sequence)
		p.begunDigest = 0
	}
}

// Ack is called after Begin, once the sink has durably accepted the change. What is given
// as stored is called when the store has the record of that: see whenStoredLocked.
func (c *Cursor) Ack(sequence uint64, n Name, v Version, deleted bool, stored ...func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.keyLocked(n)
	p := c.pending[name(key)]
	digest, lingered := uint64(0), false
	switch {
	case p != nil && p.begun.listed() && sequence == p.begun.last && !c.lostLocked():
		c.order.remove(&p.begun)
		p.done = sequence
		digest = p.begunDigest
	case c.lingering[name(key)] == sequence && sequence != 0:
		// An owner before this one has begun it, and nothing newer was since.
		lingered = true
		delete(c.lingering, name(key))
		c.enterLocked(key)
		c.overtakenLocked(p, sequence, parseRV(v.ResourceVersion), deleted)
	default:
		return
	}
	seen := c.versionLocked(v)
	o := c.acked.get(key)
	at := c.nameLocked(key, p)
	epoch, due := uint16(0), c.dueOfLocked(o, at, sequence)
	if o != nil {
		epoch = o.epoch
	}
	if p != nil {
		epoch = max(epoch, p.epoch)
		if deleted && p.prewritten.uid == seen.uid {
			p.prewritten = prewritten{} // also if its deletion waits once more
		}
		if !p.begun.listed() && !p.waiting.listed() {
			c.settledLocked(p)
		}
	}
	if digest != 0 {
		c.relyOnDigestsLocked()
	}
	c.setUnackedLocked(at, nil)
	if len(c.pending) == 0 && c.mostPending > mapsMayKeep {
		// A map never becomes smaller by itself.
		c.pending, c.mostPending = map[name]*pending{}, 0
		if len(c.unackedUIDs) == 0 {
			c.unackedUIDs = map[name][]version{}
		}
	}
	switch {
	case deleted:
		c.acked.remove(key)
		if seen.rv&unordered == 0 && !c.isUndoneSinceLocked(sequence, seen.rv) {
			c.rememberLocked(at, c.latestGoneLocked(at, sequence, seen.rv, lingered))
		}
		c.leftLocked(key)
	case o != nil:
		if o.version != seen || digest != 0 { // else it is that state, sent again
			c.acked.setDigest(key, digest)
		}
		o.version, o.epoch, o.due = seen, epoch, due
		delete(c.deleted, at)
	default:
		c.acked.put(object{version: seen, name: at, epoch: epoch, due: due})
		c.acked.setDigest(key, digest)
		delete(c.deleted, at)
	}
	c.touchLocked(at)
	c.whenStoredLocked(at, stored)
	c.settleLocked(at, sequence, seen.uid)
	c.advanceLocked()
	c.boundLocked()
}

// isUndoneSinceLocked reports whether an observation is from a history that was undone: it
// was made before a snapshot and has a newer version. That version may come again.
func (c *Cursor) isUndoneSinceLocked(sequence uint64, at rv) bool {
	return sequence <= c.sweptSequence && !at.notAfter(c.sweptAt)
}

// AckGhost is called once the sink has durably accepted the deletion of a UID that
// Begin has returned: that one alone is forgotten. What is given as stored is called as Ack
// does.
func (c *Cursor) AckGhost(n Name, uid string, stored ...func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, u := c.keyLocked(n), c.uidLocked(uid)
	unacked := c.unackedUIDs[name(key)]
	o := c.acked.get(key)
	at := c.nameLocked(key, c.pending[name(key)])
	left := withoutUID(unacked, u)
	if acked := o != nil && o.uid == u; !acked && len(left) == len(unacked) {
		return
	} else if acked {
		gone := o.rv
		c.acked.remove(key)
		// A watch is not to show the sink again what came before that. It shows what has the name
		// now, if that is of the same history: what is pending, or what an owner before has begun.
		p := c.pending[at]
		shows := p != nil && p.rv.after(gone) || p == nil && c.lingering[at] > c.undoneSince
		if shows && !gone.notAfter(c.deleted[at]) {
			c.rememberLocked(at, gone)
		}
	}
	c.setUnackedLocked(at, left)
	c.touchLocked(at)
	c.whenStoredLocked(at, stored)
	c.settleGhostsLocked(at, &u)
	c.leftLocked([]byte(at))
	c.boundLocked()
}

// advanceLocked moves the resume point as far as acks allow. What a snapshot
// observed has the last frame before that snapshot as its start: there is no
// new resume point until the snapshot is over and all of it acked.
func (c *Cursor) advanceLocked() {
	to := c.last
	if oldest := c.order.head(); oldest != nil {
		to = oldest.before
	}
	if c.partial {
		to = ""
	}
	if c.doubted && c.doubtEnds != 0 && c.doubtEnds.notAfter(parseRV(to)) {
		c.doubted = false
	}
	if to == c.head.Resume {
		if to == "" && c.writer == nil {
			c.forgetLocked()
		}
		return
	}
	c.head.Resume, c.headDirty = to, true
	if c.writer == nil {
		c.storedAt = to
		c.passedLocked(to)
		c.forgetLocked()
	}
}

// keyLocked returns the key of an object, valid until the next call.
func (c *Cursor) keyLocked(n Name) []byte {
	c.scratch = appendName(c.scratch[:0], n)
	return c.scratch
}

// nameLocked returns the name with that key, of what has it already if it can.
func (c *Cursor) nameLocked(key []byte, p *pending) name {
	if p != nil {
		return p.name
	}
	if o := c.acked.get(key); o != nil {
		return o.name
	}
	return name(key)
}

func (c *Cursor) versionLocked(v Version) version {
	return version{c.uidLocked(v.UID), parseRV(v.ResourceVersion)}
}

func (c *Cursor) uidLocked(s string) uid {
	u, isNonUUID := uidOf(s)
	if isNonUUID {
		c.keepNonUUIDLocked(u, s)
	}
	return u
}

// keepNonUUIDLocked remembers what the digest of a UID stands for.
func (c *Cursor) keepNonUUIDLocked(u uid, s string) {
	if _, ok := c.nonUUIDs[u]; ok {
		return
	}
	if len(c.nonUUIDs) >= c.nonUUIDLimit {
		c.sweepNonUUIDsLocked()
	}
	c.nonUUIDs[u] = s
	c.takesLocked(0, int64(len(s)))
}

// sweepNonUUIDsLocked forgets the UIDs that nothing has any more.
func (c *Cursor) sweepNonUUIDsLocked() {
	used := map[uid]string{}
	use := func(u uid) {
		if s, ok := c.nonUUIDs[u]; ok {
			used[u] = s
		}
	}
	for o := range c.acked.all() {
		use(o.uid)
	}
	for _, p := range c.pending {
		use(p.latest)
		use(p.prewritten.uid)
	}
	for _, unacked := range c.unackedUIDs {
		for _, u := range unacked {
			use(u.uid)
		}
	}
	for u, s := range c.nonUUIDs {
		if _, ok := used[u]; !ok {
			c.takesLocked(0, -int64(len(s)))
		}
	}
	c.nonUUIDs, c.nonUUIDLimit = used, 64+len(used)+len(used)/4
}

func (c *Cursor) formatLocked(u uid) string {
	if s, ok := c.nonUUIDs[u]; ok {
		return s
	}
	return u.format()
}
