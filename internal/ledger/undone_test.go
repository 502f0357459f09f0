package ledger

import "slices"

// What a backup that is restored has undone can be told from what a snapshot
// shows, with some exceptions. A history keeps clear of these: they are for the
// audit, which compares the cursor with the server.

// ahead reports whether the sink has a state that a backup has undone, or would
// undo, of an object of which the cursor knows only an older state. If that one
// comes back, it is taken for a repeat: versions and deletions are not noted
// before they are delivered, only UIDs, with the version that was delivered first.
// No rule covers a crash and a restored backup within the second in which an ack is
// on its way. What the sink has refused it does not have: there the cursor is ahead. So it is
// where the sink was told that another UID of the name is gone, before a state that it has yet
// to get.
func (h *lane) ahead(c *Cursor, past int, evenPending bool) bool {
	for acked := range c.acked.all() {
		name, _ := acked.name.split()
		o, ok := h.sink.objects[name.Name]
		cleared, _ := ageOf(h.sink.cleared[name.Name])
		if ok && (c.formatLocked(acked.uid) != o.uid || int(acked.rv) == o.rv) || max(h.sink.past[name.Name], cleared) >= past ||
			h.isPutAway(name.Name, c.formatLocked(acked.uid), int(acked.rv)) {
			continue
		}
		if !evenPending || c.pending[acked.name] == nil {
			return true
		}
	}
	// Of a UID that is noted, a state between the first one and the last one has an id
	// that the sink has had.
	for n, unacked := range c.unackedUIDs {
		name, _ := n.split()
		o, ok := h.sink.objects[name.Name]
		later := func(first version) bool { return c.formatLocked(first.uid) == o.uid && int(first.rv) < o.rv }
		if ok && h.sink.past[name.Name] < past && slices.ContainsFunc(unacked, later) && (!evenPending || c.pending[n] == nil) {
			return true
		}
	}
	return false
}

// unnoticed reports whether the watch would go on after the backup is restored,
// although something beyond it is observed or acked: after a crash, the resume
// point may be older than what was acked. The audit is there for that.
func (h *lane) unnoticed() bool {
	c, to := h.cursor, h.server.backup.rv
	if c.last == "" || h.number(c.last) > to {
		return false
	}
	if h.stream.position > to {
		return true // a deletion with an old version
	}
	for _, p := range c.pending {
		name, _ := p.name.split()
		if p.waiting.listed() && h.waiting[name.Name].sequence != p.waiting.last {
			return true // observed, and never offered
		}
	}
	for _, w := range h.working {
		if w.begun && w.cursor != c && w.rv > to {
			return true // an owner before has observed it
		}
	}
	for o := range c.acked.all() {
		if int(o.rv) > to {
			return true
		}
	}
	for _, gone := range c.deleted {
		if int(gone) > to {
			return true
		}
	}
	for n := range c.unackedUIDs {
		if c.pending[n] == nil {
			return true
		}
	}
	for _, age := range h.sink.cleared {
		if past, rv := ageOf(age); past == h.server.past && rv > to {
			return true // and the deletion of the UID before it may be acked, which nothing tells after a crash
		}
	}
	return false
}

// forgets reports the same of a restart before the snapshot that shows what was
// undone is over and stored.
func (h *lane) forgets(resume string) bool {
	return h.unswept && resume != "" && h.number(resume) <= h.server.rv
}

// write lets the server go on, unless a watch could start from a version of a
// history that was undone: once the server has come that far again, nobody
// could tell.
func (h *lane) write(what func()) {
	from := []string{h.cursor.last}
	if stored := h.store.heads[h.cursor.key]; stored != nil {
		head, err := decodeHead(h.cursor.key, stored)
		if err != nil {
			h.t.Fatal(err)
		}
		from = append(from, head.Resume)
	}
	for _, s := range from {
		if s != "" && h.number(s) > h.server.rv {
			return
		}
	}
	what()
}
