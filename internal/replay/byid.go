package replay

import (
	"fmt"
	"maps"
)

// ByID is what a consumer has that drops for ever what has a source and an id that
// it had before, and applies the rest in the order in which it comes.
type ByID struct {
	// Dropped counts the events whose like came before.
	Dropped int
	// OutOfOrder tells each state that was dropped, and is newer than the one of its
	// object that the consumer has: that one is what it keeps.
	OutOfOrder []string

	had  map[[2]string]bool // clusters, which are the sources, and ids
	live map[Object]string
	of   map[Object]string // the cluster's UID, of what is in live
}

// NewByID returns what a consumer has that was told nothing.
func NewByID() *ByID {
	return &ByID{had: map[[2]string]bool{}, live: map[Object]string{}, of: map[Object]string{}}
}

// Apply takes the next event.
func (b *ByID) Apply(e Event) {
	id := [2]string{e.Cluster, e.ID}
	if b.had[id] {
		b.Dropped++
		if has := b.live[e.Object]; has != "" && !e.Deleted && b.of[e.Object] == e.ClusterUID && compareVersions(has, e.ResourceVersion) < 0 {
			b.OutOfOrder = append(b.OutOfOrder, fmt.Sprintf("%s: version %s is dropped, version %s is what stays", e.Object, e.ResourceVersion, has))
		}
		return
	}
	b.had[id] = true
	if e.Deleted {
		delete(b.live, e.Object)
		delete(b.of, e.Object)
		return
	}
	b.live[e.Object], b.of[e.Object] = e.ResourceVersion, e.ClusterUID
}

// Compare is [State.Compare] for what this consumer has.
func (b *ByID) Compare(held map[Object]string, clusters ...string) Difference {
	return Compare(b.live, held, clusters...)
}

// Objects returns a copy of what this consumer has, each object with its version.
func (b *ByID) Objects() map[Object]string { return maps.Clone(b.live) }
