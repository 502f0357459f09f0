package ledger

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// A replay may be asked for while a member has not been reached since the start: nobody has
// claimed the cursors of its streams, and which these are nobody knows. So it is kept what is
// to be due, and stored with what the ledger keeps (see Keep): a restart goes on with it.
//
//	RaiseDueOf ── kept ──▶ TakeDueOf ── Cursor.RaiseDue ── its head is stored ──▶ kept no more
//
// It is kept until the store has it with the cursor. A kill before that costs the same replay
// once more.

// keptDue begins the keys of what is kept for that, one for each cluster. The value is the
// dueIDs of it, one behind the other.
const keptDue = "due "

// dueID stands for a stream and a route, of which the names have any length.
type dueID [8]byte

func dueIDOf(stream, route string) dueID {
	sum := sha256.Sum256([]byte(stream + "\x00" + route))
	return dueID(sum[:])
}

// mostDueClusters is of how many clusters the ledger keeps what is due. Pauses and limits have
// the rest of what it keeps.
const mostDueClusters = MostKept / 3

// owed is what is to be due of one stream and route. Each request has its own.
type owed struct {
	raised bool // its cursor has it, and the store may not
}

// RaiseDueOf has all be due (see Cursor.RaiseDue) of what a stream will claim for some routes,
// which it cannot yet: its member has not been reached. Flush returns once that is stored. It is
// kept until TakeDueOf takes it or the cluster leaves. It fails, and changes nothing, if there is
// too much of it: of 5,000 clusters, or of about 500 streams and routes of one.
func (l *Ledger) RaiseDueOf(cluster, stream string, routes ...string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.due[cluster]
	if of == nil && len(l.due) >= mostDueClusters {
		return fmt.Errorf("keep a replay for when the cluster is reached: replays are kept of %d clusters already", len(l.due))
	}
	ids := make([]dueID, 0, len(routes))
	for _, route := range routes {
		ids = append(ids, dueIDOf(stream, route))
	}
	if err := l.keepDueLocked(cluster, ids...); err != nil {
		return fmt.Errorf("keep a replay for when the cluster is reached: %w", err)
	}
	if of == nil {
		of = map[dueID]*owed{}
		l.due[cluster] = of
	}
	for _, id := range ids {
		of[id] = &owed{}
	}
	return nil
}

// keepDueLocked keeps what is due of a cluster, and more with it.
func (l *Ledger) keepDueLocked(cluster string, more ...dueID) error {
	for id := range l.due[cluster] {
		more = append(more, id)
	}
	slices.SortFunc(more, func(a, b dueID) int { return slices.Compare(a[:], b[:]) })
	var value strings.Builder
	for _, id := range slices.Compact(more) {
		value.Write(id[:])
	}
	return l.Keep(keptDue+cluster, value.String())
}

// loadDue takes in what the store has kept.
func (l *Ledger) loadDue() {
	for key, value := range l.Kept() {
		cluster, is := strings.CutPrefix(key, keptDue)
		if !is {
			continue
		}
		of := map[dueID]*owed{}
		for id := range slices.Chunk([]byte(value), len(dueID{})) {
			if len(id) == len(dueID{}) {
				of[dueID(id)] = &owed{}
			}
		}
		l.due[cluster] = of
	}
}

// TakeDueOf has all be due of a cursor that a stream has claimed now, if RaiseDueOf was called
// for it: once for each time.
func (l *Ledger) TakeDueOf(c *Cursor, stream string) {
	id := c.ID()
	l.mu.Lock()
	defer l.mu.Unlock()
	due := dueIDOf(stream, id.Route)
	o := l.due[id.Cluster][due]
	if o == nil || o.raised {
		return
	}
	o.raised = true
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raiseDueLocked()
	if l.writer == nil {
		l.raisedDueLocked(id.Cluster, due, o)
		return
	}
	c.whenStoredLocked(theHead, []func(){func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.raisedDueLocked(id.Cluster, due, o)
	}})
}

// raisedDueLocked keeps what is due no more, once the store has it with the cursor.
func (l *Ledger) raisedDueLocked(cluster string, id dueID, o *owed) {
	of := l.due[cluster]
	if of[id] != o {
		return // it is asked for again, or not wanted any more
	}
	if delete(of, id); len(of) == 0 {
		delete(l.due, cluster)
	}
	_ = l.keepDueLocked(cluster) // less fits in any case
}

// forgetDue forgets what is due of a cluster that has left.
func (l *Ledger) forgetDue(cluster string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.due[cluster] != nil {
		delete(l.due, cluster)
		_ = l.keepDueLocked(cluster)
	}
}

// forgetDueOfOthers forgets what is due of clusters of which there is no cursor and that are
// not in the fleet: sinks hold nothing of them. Others may join, however long what lists the
// fleet has not answered.
func (l *Ledger) forgetDueOfOthers() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for cluster := range l.due {
		if l.clusters[cluster] == nil {
			delete(l.due, cluster)
			_ = l.keepDueLocked(cluster)
		}
	}
}

// owesDue reports whether something is kept of a cluster.
func (l *Ledger) owesDue(cluster string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.due[cluster]) > 0
}
