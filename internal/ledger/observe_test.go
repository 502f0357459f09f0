package ledger

import "unsafe"

// observe is Observe without another cursor's observation.
func (c *Cursor) observe(n Name, v Version, deleted, snapshot bool) (sequence uint64, verdict Verdict) {
	o := c.Observe(n, v, deleted, snapshot, nil)
	return o.Sequence, o.Verdict
}

// claimAs is Claim of a stream that selects everything.
func (l *Ledger) claimAs(id StreamID, digest string, others ...string) (c *Cursor, former []*Cursor) {
	return l.Claim(Claiming{ID: id, Digest: digest, Others: others, Selection: Selection{Namespace: id.Namespace}})
}

// sameMemory reports whether two strings are one in memory.
func sameMemory(a, b name) bool { return unsafe.StringData(string(a)) == unsafe.StringData(string(b)) }

// hold has the cursor know what a process before has handed over.
func (c *Cursor) hold(n Name, v Version) {
	key := c.keyLocked(n)
	c.enterLocked(key)
	at := c.nameLocked(key, nil)
	c.setUnackedLocked(at, append(c.unackedUIDs[at], version{c.uidLocked(v.UID), parseRV(v.ResourceVersion)}))
}
