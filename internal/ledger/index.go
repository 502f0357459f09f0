package ledger

import (
	"iter"
	"slices"
	"strings"
)

// streams are the cursors of one cluster's name, by the stream at any UID: by its
// ID without one. Nearly always there is one of each.
type streams map[StreamID][]*Cursor

func (id StreamID) atAnyUID() StreamID {
	id.ClusterUID = ""
	return id
}

// addLocked adds a cursor under an ID that none has.
func (l *Ledger) addLocked(id StreamID, c *Cursor) {
	l.cursors[id] = c
	k, at := c.cluster, id.atAnyUID()
	if k.streams == nil {
		k.streams = streams{}
	}
	k.streams[at] = append(k.streams[at], c)
	k.cursors++
}

// removeLocked takes a cursor out that was added under id.
func (l *Ledger) removeLocked(id StreamID, c *Cursor) {
	delete(l.cursors, id)
	k, at := c.cluster, id.atAnyUID()
	if left := slices.DeleteFunc(k.streams[at], func(o *Cursor) bool { return o.cursor == c.cursor }); len(left) > 0 {
		k.streams[at] = left
	} else {
		delete(k.streams, at)
	}
	k.cursors--
}

// ofLocked ranges over the cursors of a cluster's name.
func (l *Ledger) ofLocked(cluster string) iter.Seq[*Cursor] {
	return func(yield func(*Cursor) bool) {
		k := l.clusters[cluster]
		if k == nil {
			return
		}
		for _, same := range k.streams {
			for _, c := range same {
				if l.looked++; !yield(c) {
					return
				}
			}
		}
	}
}

// of returns the cursors of a cluster's name.
func (l *Ledger) of(cluster string) []*Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(l.ofLocked(cluster))
}

// sameLocked returns the cursors of a stream under other cluster UIDs, sorted
// by these.
func (l *Ledger) sameLocked(id StreamID) []*Cursor {
	k := l.clusters[id.Cluster]
	if k == nil {
		return nil
	}
	var same []*Cursor
	for _, c := range k.streams[id.atAnyUID()] {
		if l.looked++; c.ID() != id {
			same = append(same, c)
		}
	}
	slices.SortFunc(same, func(a, b *Cursor) int { return strings.Compare(a.ID().ClusterUID, b.ID().ClusterUID) })
	return same
}

// all returns the cursors of all clusters.
func (l *Ledger) all() []*Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.allLocked()
}

// allLocked is all.
func (l *Ledger) allLocked() []*Cursor {
	all := make([]*Cursor, 0, len(l.cursors))
	for _, c := range l.cursors {
		all = append(all, c)
	}
	l.looked += len(all)
	return all
}

// anyTakenLocked reports whether there is a cluster with cursors whose part the store has
// not refused. What is of no cluster says nothing of that: it is at rest.
func (l *Ledger) anyTakenLocked() bool {
	for _, k := range l.clusters {
		if k.cursors > 0 && !k.failing.Load() {
			return true
		}
	}
	return false
}
