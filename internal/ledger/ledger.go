package ledger

import (
	"sync"
	"time"
)

// DefaultRetention is how long the cursors of a cluster that left the fleet
// are kept.
const DefaultRetention = 7 * 24 * time.Hour

// StreamID names a stream's cursor.
type StreamID struct {
	Cluster    string // the member's name
	ClusterUID string // its identity: a name that is used again for another cluster starts afresh
	Resource   string // with group, such as "deployments.apps"
	Namespace  string // empty: all
	Labels     string // label selector
	Fields     string // field selector
}

// Ledger is the set of all cursors, kept in memory. Its methods may be called
// from any goroutine.
type Ledger struct {
	retention time.Duration

	mu      sync.Mutex
	cursors map[StreamID]*Cursor
	left    map[string]time.Time // clusters that left the fleet, and when
}

// New returns an empty ledger. The cursors of a cluster that left are dropped
// after retention; zero means DefaultRetention.
func New(retention time.Duration) *Ledger {
	if retention == 0 {
		retention = DefaultRetention
	}
	return &Ledger{retention: retention, cursors: map[StreamID]*Cursor{}, left: map[string]time.Time{}}
}

// Open returns the cursor of a stream, a new one if there is none. The caller
// makes sure that no other stream uses it.
func (l *Ledger) Open(id StreamID) (*Cursor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expireLocked()
	delete(l.left, id.Cluster)
	c, ok := l.cursors[id]
	if !ok {
		c = newCursor()
		l.cursors[id] = c
	}
	return c, nil
}

// Leave says that a cluster left the fleet and that none of its changes is in
// a queue or in work any more. Leaving is not deleting: its cursors are kept
// for the retention time, as after a restart.
func (l *Ledger) Leave(cluster string) {
	l.mu.Lock()
	l.expireLocked()
	l.left[cluster] = time.Now()
	var cursors []*Cursor
	for id, c := range l.cursors {
		if id.Cluster == cluster {
			cursors = append(cursors, c)
		}
	}
	l.mu.Unlock()
	for _, c := range cursors {
		c.Rewind()
	}
}

// expireLocked drops what belongs to clusters that left too long ago.
func (l *Ledger) expireLocked() {
	for cluster, since := range l.left {
		if time.Since(since) < l.retention {
			continue
		}
		delete(l.left, cluster)
		for id := range l.cursors {
			if id.Cluster == cluster {
				delete(l.cursors, id)
			}
		}
	}
}
