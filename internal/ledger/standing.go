package ledger

import (
	"strconv"
	"time"
)

// Standing is what a cursor knows of one object at one moment. ResourceVersions that are no
// numbers are empty.
type Standing struct {
	// Acked is what the sink has accepted last; empty: nothing, or a deletion. Known is
	// whether the sink may hold the object, Due whether the acked state is to be delivered
	// again, and Digest the digest of what counts in it (0: it is not known).
	Acked  Version
	Known  bool
	Due    bool
	Digest uint64
	// Gone is the version of an acked deletion that is remembered; empty: there is none.
	Gone string
	// Pending is whether a state was observed and is not acked. Then the newest one has
	// Version, which is a deletion's if Deletion is set, and the oldest one was observed at
	// Since. Begun is whether one was taken from the queue, and Unstored whether the store
	// has yet to note that before it may be delivered.
	Pending  bool
	Version  string
	Deletion bool
	Since    time.Time
	Begun    bool
	Unstored bool
	// Position is the version of the last frame that the cursor has seen; empty while it
	// needs a snapshot. Partial says that a snapshot has left objects out, as there was no
	// room for them.
	Position string
	Partial  bool
}

// Standing tells what the cursor knows of an object. Any goroutine may call it.
func (c *Cursor) Standing(n Name) Standing {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.keyLocked(n)
	s := Standing{Partial: c.partial}
	if !c.snapshotting {
		s.Position = c.last
	}
	if o := c.acked.get(key); o != nil {
		s.Acked = Version{UID: c.formatLocked(o.uid), ResourceVersion: o.rv.digits()}
		s.Known, s.Due, s.Digest = true, o.due != c.due, c.acked.digest(key)
	}
	if gone, ok := c.deleted[name(key)]; ok {
		s.Gone = gone.digits()
	}
	_, s.Unstored = c.unstoredIntents[name(key)]
	s.Known = s.Known || len(c.unackedUIDs[name(key)]) > 0
	p := c.pending[name(key)]
	if p == nil || p.left >= max(p.begun.last, p.waiting.last) { // what has left is observed anew
		return s
	}
	s.Pending, s.Version, s.Deletion, s.Begun = true, p.rv.digits(), p.deleted, p.begun.listed()
	s.Since = p.waiting.since
	if s.Begun {
		s.Since = p.begun.since
	}
	return s
}

// Has tells whether the sink has accepted a state of an object, or a newer one of its UID.
// Versions that are no numbers are the same or are not. Any goroutine may call it.
func (c *Cursor) Has(n Name, v Version) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.acked.get(c.keyLocked(n))
	if o == nil || c.formatLocked(o.uid) != v.UID {
		return false
	}
	at := parseRV(v.ResourceVersion)
	return at == o.rv || at.notAfter(o.rv)
}

// digits returns the number that a is, empty if it is none.
func (a rv) digits() string {
	if a == 0 || a&unordered != 0 {
		return ""
	}
	return strconv.FormatUint(uint64(a), 10)
}
