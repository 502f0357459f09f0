package ledger

import "slices"

// Meaning is what a stream's resource was asked for as, and what else its
// events say of it. With it, a name keeps its meaning from one process to the
// next, and the deletions of a resource that is not served any more can be told.
type Meaning struct {
	// Name is the resource as it was asked for: with its group if that was
	// given, without version and selection, such as "deploy".
	Name string `json:"name"`
	// Version and Kind are those of the objects that were delivered last.
	Version    string `json:"version"`
	Kind       string `json:"kind"`
	Namespaced bool   `json:"namespaced,omitempty"`
}

// Remembered is a stream that the ledger has a cursor of.
type Remembered struct {
	ID StreamID
	// Own says that it is of the cluster that was asked about, not of another
	// one that had the name before.
	Own       bool
	Selection Selection
	// Known is how many objects sinks may hold.
	Known int
	// Meaning is zero if the cursor was last used by a version of this program
	// that did not record it.
	Meaning Meaning
}

// Recall returns the streams that there are cursors of under a cluster's name,
// sorted by ID. Own are those that Claim would take for the cluster's, of which
// uid and others are as there.
func (l *Ledger) Recall(cluster, uid string, others ...string) []Remembered {
	var all []Remembered
	for _, c := range l.of(cluster) {
		c.mu.Lock()
		h := c.head
		all = append(all, Remembered{
			ID: h.ID, Own: h.ID.ClusterUID == uid || maybeSame(h.ID.ClusterUID, uid, others),
			Selection: h.Selection, Known: c.knownLocked(), Meaning: h.Meaning,
		})
		c.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b Remembered) int { return compareIDs(a.ID, b.ID) })
	return all
}

// Mean records what the stream's resource was asked for as, and what it is.
func (c *Cursor) Mean(m Meaning) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.head.Meaning != m {
		c.head.Meaning, c.headDirty = m, true
	}
}

// Meaning returns what was recorded last.
func (c *Cursor) Meaning() Meaning {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.head.Meaning
}
