package app

import (
	"slices"
	"sync"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
)

// A deletion that goes before the state of another object takes a snapshot, which may take longer
// than a resending waits. Its record is kept then, and the deletion is delivered all the same.
// What is noted here lets the next resending learn of that, instead of having the deletion
// delivered once more.

// maxNotedGhosts bounds how many are remembered, about 300 bytes each. One that is forgotten is
// delivered once more.
const maxNotedGhosts = 10_000

// notedGhosts are the deletions of which no resending knows yet what became of them. Any
// goroutine may use it. Its zero value has none.
type notedGhosts struct {
	mu  sync.Mutex
	all map[letterKey][]*notedGhost
	n   int
}

// notedGhost is a record of a deletion that goes before the state of another object.
type notedGhost struct {
	in      *notedGhosts
	key     letterKey
	id      letterID
	retried *ledger.Redelivery
	refused bool // by the sink, again: there is another record of it
}

// of returns what is noted of a record; nil if nothing is, or it is to be noted anew.
func (n *notedGhosts) of(r *deadletter.Record) *notedGhost {
	key, id := keyOf(r), letterIDOf(r)
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.IndexFunc(n.all[key], func(g *notedGhost) bool { return g.id == id })
	if i < 0 {
		return nil
	}
	g := n.all[key][i]
	if !isOpen(g.retried.Settled()) && !g.retried.Acked() {
		n.dropLocked(g)
		return nil
	}
	return g
}

// note remembers a record until it is taken.
func (n *notedGhosts) note(r *deadletter.Record, retried *ledger.Redelivery) *notedGhost {
	g := &notedGhost{in: n, key: keyOf(r), id: letterIDOf(r), retried: retried}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.n >= maxNotedGhosts {
		for _, others := range n.all {
			n.dropLocked(others[0])
			break
		}
	}
	if n.all == nil {
		n.all = map[letterKey][]*notedGhost{}
	}
	n.all[g.key] = append(n.all[g.key], g)
	n.n++
	return g
}

// refused notes that a sink has refused a change of a UID: the deletion, if it is not settled.
func (n *notedGhosts) refused(key letterKey) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, g := range n.all[key] {
		if isOpen(g.retried.Settled()) {
			g.refused = true
		}
	}
}

// take forgets what is settled, and reports whether the sink refused it.
func (g *notedGhost) take() (refused bool) {
	g.in.mu.Lock()
	defer g.in.mu.Unlock()
	g.in.dropLocked(g)
	return g.refused
}

func (n *notedGhosts) dropLocked(g *notedGhost) {
	i := slices.Index(n.all[g.key], g)
	if i < 0 {
		return // it has been forgotten
	}
	if n.all[g.key] = slices.Delete(n.all[g.key], i, i+1); len(n.all[g.key]) == 0 {
		delete(n.all, g.key)
	}
	n.n--
}
