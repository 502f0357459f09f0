package ledger

import "sync"

// The writer looks only at cursors that the store is behind of, not at all that there are:
//
//	Cursor.mu is given back ── behind? ──▶ behind.intents ── every transaction
//	                                   └─▶ behind.rest ───── one with everything, or all of the cluster
//
// A cursor lists itself, once in each list, until a transaction takes what it has.

// cursorLock is the lock of a cursor. Who gives it back need not know whether what it has
// changed is to be stored.
type cursorLock struct {
	sync.Mutex
	of *cursor
}

// Unlock lists the cursor, if the store is behind.
func (m *cursorLock) Unlock() {
	m.of.listLocked()
	m.Mutex.Unlock()
}

// behind lists cursors that the store is behind of. Those that were dropped since, or have
// nothing any more, may be among them.
type behind struct {
	intents []*cursor // of which any transaction takes something
	rest    []*cursor // that have acks, a head, or deletions to forget
}

// inLists is in which of them a cursor stands.
type inLists struct{ intents, rest bool }

func (c *cursor) listLocked() {
	if c.writer == nil || c.dropped {
		return
	}
	intents := !c.listed.intents && (c.headFirst || len(c.unstoredIntents)+len(c.prewritable)+len(c.kept.dirty) > 0)
	rest := !c.listed.rest && (c.headDirty || len(c.dirty)+len(c.forgetting) > 0)
	if !intents && !rest {
		return
	}
	w := c.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if intents {
		c.listed.intents = true
		w.behind.intents = append(w.behind.intents, c)
	}
	if rest {
		c.listed.rest = true
		w.behind.rest = append(w.behind.rest, c)
	}
}

// eachBehind calls take once for each cursor that the store is behind of, and with whether
// everything is to be taken of it; where that is not so, only for those with intents. What
// stays of those that are skipped stays listed. If rest is false, everything is taken of no
// cluster, and the cursors without intents are not gone through. The caller holds Ledger.mu, under which
// objects move from one cursor to another: both are taken before that, or both after it.
func (w *writer) eachBehind(skip, everything func(*cluster) bool, rest bool, take func(c *Cursor, all bool)) {
	w.mu.Lock()
	lists := w.behind
	w.behind = behind{}
	if !rest {
		w.behind.rest, lists.rest = lists.rest, nil
	}
	w.mu.Unlock()
	var left behind
	looked := make(map[*cursor]bool, len(lists.intents)) // of which everything was taken
	for _, c := range lists.intents {
		if skip(c.cluster) {
			left.intents = append(left.intents, c)
			continue
		}
		all := everything(c.cluster)
		if all {
			looked[c] = true
		}
		w.looked++
		take(&Cursor{cursor: c}, all)
	}
	for _, c := range lists.rest {
		switch {
		case looked[c]:
		case skip(c.cluster), !everything(c.cluster):
			left.rest = append(left.rest, c)
		default:
			w.looked++
			take(&Cursor{cursor: c}, true)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.behind.intents = append(left.intents, w.behind.intents...)
	if rest {
		w.behind.rest = append(left.rest, w.behind.rest...)
	}
}
