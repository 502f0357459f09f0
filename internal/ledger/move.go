package ledger

import (
	"cmp"
	"slices"
)

// A stream that is claimed takes over what was delivered by streams that nobody
// follows any more: of a resource that was followed everywhere and is now in one
// namespace, or the other way round. Its next snapshot tells what is left of it, and
// deletes the rest.
//
// So it does in each cluster that has had the name. An object of a cluster that was
// replaced has the name of one that the stream may deliver now. Its deletion comes
// before that, whatever namespaces were followed then.

// absorbLocked gives to a stream, cluster by cluster, what belongs to it of the cursors
// of the same resource and route in namespaces that nobody follows: what lies in its own
// namespace, and what lies in one that nobody follows. Cursors with nothing left are
// dropped.
func (l *Ledger) absorbLocked(q Claiming) {
	if q.Followed == nil {
		return // the caller does not know
	}
	belongs := func(namespace string) bool {
		return q.ID.Namespace == "" || namespace == q.ID.Namespace ||
			!slices.Contains(q.Followed, namespace) && !slices.Contains(q.Followed, "")
	}
	for _, from := range slices.Collect(l.ofLocked(q.ID.Cluster)) {
		id := from.ID()
		at := id
		if at.Namespace = q.ID.Namespace; at == id || !at.SameStream(q.ID) || slices.Contains(q.Followed, id.Namespace) {
			continue
		}
		to := func() *Cursor {
			if c := l.cursors[at]; c != nil {
				return c
			}
			return l.newSelectionLocked(at, q.Selection)
		}
		if from.moveTo(to, belongs) {
			l.dropLocked(id, from)
		}
	}
}

// newSelectionLocked adds a cursor of a stream that has never been claimed.
func (l *Ledger) newSelectionLocked(id StreamID, s Selection) *Cursor {
	c := l.newCursorLocked(id)
	c.head.Selection = s
	return c
}

// moved is what moves of one object.
type moved struct {
	name    name
	acked   *object // nil: nothing is
	due     bool
	unacked []version
}

// moveTo moves the objects in some namespaces to another cursor, and reports whether
// nothing is left. The one that they move to gives up its resume point, and goes on
// in a generation and with numbers above those of both: also when there is nothing to
// move, because what sinks were told to be gone may be told to be there again.
func (c *Cursor) moveTo(other func() *Cursor, in func(namespace string) bool) (empty bool) {
	all, at, nonUUIDs, empty := c.takeOut(in)
	if len(all) == 0 && !empty {
		return false
	}
	to := other()
	to.mu.Lock()
	defer to.mu.Unlock()
	to.beginNumbersLocked(at.Limit)
	to.head.Generation = max(to.head.Generation, at.Generation)
	to.raiseGenerationLocked()
	to.anewLocked()
	to.head.inherit(at)
	for u, s := range nonUUIDs {
		to.keepNonUUIDLocked(u, s)
	}
	for _, m := range all {
		to.takeInLocked(m)
	}
	if to.head.Due == 0 && slices.ContainsFunc(all, func(m moved) bool { return m.due }) {
		to.raiseDueLocked() // the store can only tell what is due from what was before
	}
	return empty
}

// inherit takes over what another head says of the objects and of their cluster, as far
// as this one does not.
func (h *head) inherit(from head) {
	h.Form = cmp.Or(h.Form, from.Form) // what was acked was acked in that
	h.Meaning = cmp.Or(h.Meaning, from.Meaning)
	h.Digest, h.Default, h.Service = cmp.Or(h.Digest, from.Digest), cmp.Or(h.Default, from.Default), cmp.Or(h.Service, from.Service)
	if len(h.Was) == 0 {
		h.Was = slices.Clone(from.Was)
	}
}

// takeOut removes the objects in some namespaces. UIDs that are no UUIDs are copied.
func (c *Cursor) takeOut(in func(namespace string) bool) (all []moved, at head, nonUUIDs map[uid]string, empty bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, nonUUIDs = c.head, map[uid]string{}
	at.Limit = max(at.Limit, c.numbers.last)
	keep := func(u uid) {
		if s, ok := c.nonUUIDs[u]; ok {
			nonUUIDs[u] = s
		}
	}
	moves := func(n name) bool {
		whole, _ := n.split()
		return in(whole.Namespace)
	}
	for o := range c.acked.all() {
		if moves(o.name) {
			copied := *o
			all = append(all, moved{name: o.name, acked: &copied, due: o.due != c.due || c.mayHaveToldLocked(), unacked: c.unackedUIDs[o.name]})
		}
	}
	for n, unacked := range c.unackedUIDs {
		if c.acked.get([]byte(n)) == nil && moves(n) {
			all = append(all, moved{name: n, unacked: unacked})
		}
	}
	for _, m := range all {
		if m.acked != nil {
			keep(m.acked.uid)
			c.acked.remove([]byte(m.name))
		}
		for _, h := range m.unacked {
			keep(h.uid)
		}
		c.setUnackedLocked(m.name, nil)
		c.touchLocked(m.name)
		c.leftLocked([]byte(m.name))
	}
	if len(all) > 0 {
		if c.owner > 0 {
			c.owner++ // what was handed over of it is not to be begun any more
		}
		// The rest must not be stored without what has moved.
		c.headDirty, c.headFirst = true, true
	}
	return all, at, nonUUIDs, c.acked.len() == 0 && len(c.unackedUIDs) == 0
}

// takeInLocked adds what another cursor knew of an object. Where both know of it, the
// sink may have either state.
func (c *Cursor) takeInLocked(m moved) {
	key := []byte(m.name)
	c.enterLocked(key)
	unacked := slices.Clone(m.unacked)
	o := c.acked.get(key)
	switch {
	case m.acked == nil:
	case o == nil:
		added := object{version: m.acked.version, name: m.name}
		if !m.due {
			added.due = c.due
		}
		c.acked.put(added)
	case o.version != m.acked.version:
		unacked = append(unacked, m.acked.version)
	case m.due:
		o.due = 0
	}
	if m.acked != nil {
		c.seenLocked(m.acked.rv)
	}
	if len(unacked) > 0 {
		c.setUnackedLocked(m.name, append(slices.Clone(c.unackedUIDs[m.name]), unacked...))
	}
	c.touchLocked(m.name)
}
