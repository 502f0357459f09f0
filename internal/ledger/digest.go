package ledger

import (
	"crypto/rand"
	"encoding/binary"
)

// A stream may say what counts in a state: it gives a digest of that with each state
// that it observes, and the cursor keeps the one of the acked state. A state with the
// same digest is no change. Nothing is recorded of it: the acked state stays the one
// that the sink has accepted, with its version. So what the store has is true at any
// time, and a restart observes later versions as unchanged again.
//
// That holds as long as the sink has what was acked. It may have another state of the
// object if one was handed over and not acked. While that is pending, every state is a
// change. After a restart it is pending no more: a watch observes it again before any
// later one, but a snapshot shows only what came of it. So after a process that did
// not end in order, snapshots rely on no digest, until all that was handed over has
// been observed again and acked.

// keptDigest is what the ledger keeps of a digest, in memory and in the store: 56 bits of
// it. Two states have the same ones by chance, once in 7e16 changes: nobody can choose
// them, see package selection.
type keptDigest [7]byte

// KeptDigest returns a digest as it is kept, and as Cursor.Digest tells it. One that is
// known stays known: it is not 0.
func KeptDigest(digest uint64) uint64 {
	if digest == 0 {
		return 0
	}
	return max(digest&(1<<56-1), 1)
}

func keep(digest uint64) (k keptDigest) {
	var all [8]byte
	binary.BigEndian.PutUint64(all[:], KeptDigest(digest))
	return keptDigest(all[1:])
}

func (k keptDigest) number() uint64 {
	var all [8]byte
	copy(all[1:], k[:])
	return binary.BigEndian.Uint64(all[:])
}

// leavesLocked reports whether a state outside of the selection is a deletion to the
// sink: it may hold the object, and no worker has begun its deletion. One that waits may
// never have come into the queue: then the frame is observed again.
func (c *Cursor) leavesLocked(key []byte, p *pending, acked *object) bool {
	if p != nil {
		return !p.deleted || p.waiting.listed()
	}
	return acked != nil || len(c.unackedUIDs[name(key)]) > 0
}

// staysLocked has the sweep not take an object for gone that is there.
func (c *Cursor) staysLocked(p *pending, acked *object, u uid) {
	if acked != nil && acked.uid == u {
		acked.epoch = c.epoch
	}
	if p != nil && p.latest == u {
		p.epoch = c.epoch
	}
}

// isUnchangedLocked reports whether a state has the digest of the acked one, which the
// sink has and is not to have again.
func (c *Cursor) isUnchangedLocked(key []byte, acked *object, seen version, digest uint64) bool {
	return digest != 0 && acked != nil && acked.uid == seen.uid && acked.due == c.due &&
		acked.rv.notAfter(seen.rv) && len(c.unackedUIDs[name(key)]) == 0 && c.acked.digest(key) == digest
}

// learnDigestLocked notes the digest of the acked state, which was observed again.
func (c *Cursor) learnDigestLocked(key []byte, acked *object, digest uint64) {
	if digest != 0 && c.acked.digest(key) != digest {
		c.acked.setDigest(key, digest)
		c.relyOnDigestsLocked()
		c.touchLocked(acked.name)
	}
}

// settleUnchangedLocked settles a waiting state that was a change when it was observed,
// and has the digest of the state that was acked since. No worker may have begun another
// one meanwhile, here or in a process before; nor may the acked state be asked for once
// more, as the sink may not have it then.
func (c *Cursor) settleUnchangedLocked(key []byte, p *pending, sequence uint64) bool {
	_, lingers := c.lingering[name(key)]
	if p.digest == 0 || lingers || c.doubted || p.begun.listed() || sequence != p.waiting.last || p.prewritten.number != 0 || c.redeliveries[p.name] != nil {
		return false
	}
	acked := c.acked.get(key)
	if !c.isUnchangedLocked(key, acked, version{p.latest, p.rv}, p.digest) {
		return false
	}
	acked.epoch = max(acked.epoch, p.epoch)
	c.order.remove(&p.waiting)
	c.settledLocked(p)
	c.advanceLocked()
	return true
}

// relyOnDigestsLocked has the store know that digests are kept.
func (c *Cursor) relyOnDigestsLocked() {
	if !c.head.Digests {
		c.head.Digests, c.headDirty = true, true
	}
}

// dropDigestsLocked forgets all digests: something else counts now.
func (c *Cursor) dropDigestsLocked() {
	if c.acked.digests.n == 0 {
		return
	}
	for o := range c.acked.all() {
		c.touchLocked(o.name)
	}
	c.acked.dropDigests()
	c.head.Digests, c.headDirty, c.headFirst = false, true, true
}

// doubtLocked says that the sink may have states that the cursor does not know of.
func (c *Cursor) doubtLocked() { c.doubted, c.doubtEnds = true, 0 }

// reobservedAllLocked says that all states up to the last frame were observed by this
// process. The doubt is over once these are acked.
func (c *Cursor) reobservedAllLocked() {
	if c.doubted && c.doubtEnds == 0 {
		c.doubtEnds = parseRV(c.last)
	}
}

// Digest returns that of the acked state of an object, as KeptDigest has it; 0: it is not
// known.
func (c *Cursor) Digest(n Name) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acked.digest(c.keyLocked(n))
}

// DigestKey returns a secret that the ledger keeps for the digests that it is given: with
// another one they would tell nothing. It is made when it is first asked for.
func (l *Ledger) DigestKey() []byte {
	t := l.term
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.head.DigestKey) == 0 {
		key := make([]byte, 32)
		_, _ = rand.Read(key) // never fails
		t.head.DigestKey, t.headDirty, t.headFirst = key, true, true
	}
	return t.head.DigestKey
}
