package ledger

import "slices"

// A sink may hold several UIDs under one name: each whose state was handed over, and of
// which it has accepted neither a later state nor the deletion. While it refuses
// everything, an object that is deleted and created again, as a StatefulSet's Pod is,
// adds one each time. Each needs its deletion in the end, so none may be forgotten. What
// bounds them is that no further UID is handed over while there are many:
//
//	fewer than GhostsAtOnce ──▶ their deletions, then the state
//	GhostsAtOnce or more ─────▶ deletions of so many; once these are acked, Begin again
//
// The sink never gets a UID that waits, and another one may take the place of that in the
// queue: it needs no deletion. So a name has GhostsAtOnce UIDs at most, and few more after
// restarts and after cursors were joined.

// GhostsAtOnce bounds the deletions of other UIDs that Begin returns for one name. If it
// returns so many, they go alone.
const GhostsAtOnce = 64

// ghostBytes is what a record takes for a UID that a sink may hold: its kind, the UUID and
// a version.
const ghostBytes = 1 + 16 + 8

// ghostsLocked returns the UIDs other than u that the sink may hold of an object, as many
// as may be deleted at once. The acked one is the first of them.
func (c *Cursor) ghostsLocked(acked *object, unacked []version, u uid) (ghosts []string) {
	if acked != nil && acked.uid != u {
		ghosts = append(ghosts, c.formatLocked(acked.uid))
	}
	for _, h := range unacked {
		if len(ghosts) >= c.ghostsAtOnce {
			break
		}
		if h.uid != u && (acked == nil || h.uid != acked.uid) {
			ghosts = append(ghosts, c.formatLocked(h.uid))
		}
	}
	return ghosts
}

// withoutUID removes a UID from those that the sink may hold of an object. Begin returns the
// first of them, so the few before it move, and not those behind it: a ledger of an earlier
// version may have any number. It looks at 2*GhostsAtOnce from the UID on. Should such a ledger
// have the UID once more behind these, its deletion is delivered twice. all is not valid any more
// if it is longer than what is returned.
func withoutUID(all []version, u uid) []version {
	is := func(h version) bool { return h.uid == u }
	i := slices.IndexFunc(all, is)
	if i < 0 {
		return all
	}
	front := all[:min(len(all), i+2*GhostsAtOnce)]
	kept := slices.DeleteFunc(front, is)
	gone := len(front) - len(kept)
	copy(front[gone:], kept)
	return all[gone:]
}

// holdBackLocked is called for a state, or a deletion, that waits for the deletions of
// ghosts. A UID that is noted, as one is that is handed over, keeps from the sink what came
// before it. This has to as well: a watch may show the ghosts again, once their deletions are
// accepted. They were gone before this version.
func (c *Cursor) holdBackLocked(p *pending, sequence uint64, acked *object, held version) {
	n, before := p.name, held.rv-1
	if held.rv&unordered == 0 && held.rv > 0 && !c.isUndoneSinceLocked(sequence, held.rv) && !before.notAfter(c.deleted[n]) {
		c.rememberLocked(n, before)
	}
	if acked != nil {
		c.noteAckedLocked(n, acked)
	}
	if c.writer != nil && p.heldBack != sequence {
		p.heldBack = sequence
		c.lastIntent++
		c.dirty[n], c.unstoredIntents[n] = struct{}{}, c.lastIntent
	}
}

// noteAckedLocked notes the acked UID as one that the sink may have or not, before deletions
// of ghosts are told of which only those may be accepted. The sink may have lost it to one of
// them, and a backup that is restored may bring back the acked state: that is no duplicate
// then. Nor is one that only the store takes for acked: it is told what there is before a
// deletion goes.
func (c *Cursor) noteAckedLocked(n name, acked *object) {
	unacked := c.unackedUIDs[n]
	if !slices.ContainsFunc(unacked, func(h version) bool { return h.uid == acked.uid }) {
		// In front: the last one is what the sink may have now.
		c.setUnackedLocked(n, slices.Insert(slices.Clone(unacked), 0, acked.version))
	}
}

// setUnackedLocked replaces the UIDs that the sink may hold of an object beside the acked
// one, none if all is empty, and counts them. What counts the object counts one of them.
func (c *Cursor) setUnackedLocked(n name, all []version) {
	more := max(len(all), 1) - max(len(c.unackedUIDs[n]), 1)
	if more != 0 {
		c.takesLocked(0, int64(more)*ghostBytes)
	}
	if len(all) == 0 {
		delete(c.unackedUIDs, n)
	} else {
		c.unackedUIDs[n] = all
	}
}
