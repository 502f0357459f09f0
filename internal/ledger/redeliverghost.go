package ledger

import (
	"errors"
	"slices"
)

// A sink may have refused the deletion of X for good, and Y may have X's name since. A
// consumer with a row for each UID has yet to be told that X is gone. One with a row for each
// name must not lose that of Y by it. So X becomes what it is, a UID that the sink may hold
// and has not acked, and Y's state is due. All else is as with any UID that takes the name of
// another one: the next state of the name has the deletion of X before it.
//
//	RedeliverGhost ──▶ store: X unacked, Y due, no resume point
//	                     │
//	snapshot, or watch ──┴─▶ Begin of Y, once that is stored ──▶ deletion of X, state of Y
//
// The store has that Y is owed before X's deletion goes out, and until Y's ack. So after a
// process that ends between the two, the next one delivers Y in its first snapshot.

// isGone is in the place of the version of an unacked UID that is known not to exist.
const isGone rv = 0

// RedeliverGhost has the deletion of a UID delivered once more, although another one has its
// name by now (ErrNameTaken): before the state of that one, which is due with it. As after
// RaiseDueOf a snapshot is to begin, and there is no resume point before its end. Both have
// another generation and higher numbers than all before, so that nobody takes them for
// repeats, nor for older than what it has. Asked again, it returns the same Redelivery, which
// is settled with an ack once the deletion is accepted, or a state of the UID is, as it exists
// again.
//
// The error is ErrSuperseded if the UID exists again, and else wraps ErrNotNow: also if the name
// is free again, so that Redeliver will do.
func (c *Cursor) RedeliverGhost(n Name, uid string) (*Redelivery, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lostLocked() {
		return nil, errAnothers
	}
	key, gone := c.keyLocked(n), c.uidLocked(uid)
	switch _, err := c.isNewestLocked(key, version{uid: gone}, true); {
	case err == nil:
		return nil, errBusy
	case !errors.Is(err, ErrNameTaken):
		return nil, err
	case c.redeliveries[name(key)] != nil:
		return nil, errBusy // its worker may begin it before the store has what is noted here
	}
	o := c.acked.get(key)
	for _, r := range c.ghosts[o.name] {
		if r.of.uid == gone {
			return r, nil
		}
	}
	if len(c.unackedUIDs[o.name]) >= c.ghostsAtOnce {
		return nil, errBusy
	}
	c.oweLocked(o, gone)
	r := &Redelivery{of: version{gone, isGone}, deleted: true, settled: make(chan struct{})}
	if c.ghosts == nil {
		c.ghosts = map[name][]*Redelivery{}
	}
	c.ghosts[o.name] = append(c.ghosts[o.name], r)
	return r, nil
}

// oweLocked has the deletion of a UID, and the state of the object that has its name, owed to
// the sink. The store has that before either is handed over.
func (c *Cursor) oweLocked(o *object, gone uid) {
	if held := c.unackedUIDs[o.name]; !slices.Contains(held, version{gone, isGone}) {
		// In front: the last one is what the sink may have now.
		c.setUnackedLocked(o.name, slices.Insert(slices.Clone(held), 0, version{gone, isGone}))
	}
	o.due = 0 // no cursor's number
	c.touchLocked(o.name)
	c.raiseGenerationLocked() // what comes from here on waits for the store
	c.anewLocked()
}

// withoutGone returns the unacked UIDs of a name, but for one that is noted as gone: a
// state of it is about to be handed over.
func withoutGone(held []version, u uid) []version {
	if i := slices.Index(held, version{u, isGone}); i >= 0 {
		return slices.Delete(slices.Clone(held), i, i+1)
	}
	return held
}

// settleGhostsLocked says that the sink has been told that a UID is gone that had the name n,
// or all that had it; u is nil then.
func (c *Cursor) settleGhostsLocked(n name, u *uid) {
	all := c.ghosts[n]
	if len(all) == 0 {
		return
	}
	left := slices.DeleteFunc(all, func(r *Redelivery) bool {
		told := u == nil || r.of.uid == *u
		if told {
			r.end(true)
		}
		return told
	})
	if c.ghosts[n] = left; len(left) == 0 {
		delete(c.ghosts, n)
	}
}
