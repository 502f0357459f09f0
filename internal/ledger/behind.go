package ledger

import "sync"

// The writer looks only at cursors that the store is behind of, not at all that there are:
//
//	Cursor.mu is given back ── behind? ──▶ behind.intents ── every transaction
//	                                   └─▶ behind.rest ───── one with everything, or all of the cluster
//
// A cursor lists itself with its cluster, once in each list, until a transaction takes what
// it has. A cluster is listed with the writer while one of its cursors is listed.

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

// behind lists what the store is behind of: cursors of one cluster, or clusters. What was
// dropped since, or has nothing any more, may be in it.
type behind[T any] struct {
	intents []T // of which any transaction takes something
	rest    []T // that have acks, a head, or deletions to forget
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
	w, k := c.writer, c.cluster
	w.mu.Lock()
	defer w.mu.Unlock()
	if intents {
		c.listed.intents = true
		if k.behind.intents = append(k.behind.intents, c); len(k.behind.intents) == 1 {
			w.behind.intents = append(w.behind.intents, k)
		}
	}
	if rest {
		c.listed.rest = true
		if k.behind.rest = append(k.behind.rest, c); len(k.behind.rest) == 1 {
			w.behind.rest = append(w.behind.rest, k)
		}
	}
}

// behindLocked returns the clusters of which a transaction takes something, each once. Those
// that are skipped stay listed. If rest is false, everything is taken of no cluster, and those
// with neither intents nor drops are not gone through.
func (w *writer) behindLocked(skip, everything func(*cluster) bool, rest bool) (clusters []*cluster) {
	lists := w.behind
	w.behind = behind[*cluster]{}
	if !rest {
		w.behind.rest, lists.rest = lists.rest, nil
	}
	seen := make(map[*cluster]bool, len(lists.intents))
	add := func(k *cluster) {
		if !seen[k] {
			seen[k] = true
			clusters = append(clusters, k)
		}
	}
	for _, k := range lists.intents {
		if skip(k) {
			w.behind.intents = append(w.behind.intents, k)
			continue
		}
		add(k)
	}
	for _, k := range lists.rest {
		if skip(k) || !everything(k) {
			w.behind.rest = append(w.behind.rest, k)
			continue
		}
		add(k)
	}
	for k := range w.dropped {
		if !skip(k) {
			add(k)
		}
	}
	return clusters
}

// takeLocked empties the lists of a cluster, of which a transaction takes the intents, or
// everything. It returns each cursor once.
func (k *cluster) takeLocked(everything bool) (cursors []*cursor) {
	cursors, k.behind.intents = k.behind.intents, nil
	if !everything || len(k.behind.rest) == 0 {
		return cursors
	}
	seen := make(map[*cursor]bool, len(cursors))
	for _, c := range cursors {
		seen[c] = true
	}
	for _, c := range k.behind.rest {
		if !seen[c] {
			cursors = append(cursors, c)
		}
	}
	k.behind.rest = nil
	return cursors
}
