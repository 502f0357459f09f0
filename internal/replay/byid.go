package replay

import "fmt"

// ByID is what a consumer has that drops for ever what has a source and an id that
// it had before, and applies the rest in the order in which it comes.
type ByID struct {
	// Dropped counts the events whose like came before.
	Dropped int
	// OutOfOrder tells each state that was not dropped, and is older than one of its
	// name that was applied before. The newer one, when it comes again, is dropped:
	// the consumer keeps something old.
	OutOfOrder []string

	had    map[[2]string]bool // clusters, which are the sources, and ids
	live   map[Object]string
	newest map[Object]version // states that were applied, by Object without UID
}

// version is one of an object in one cluster.
type version struct{ clusterUID, resource string }

// NewByID returns what a consumer has that was told nothing.
func NewByID() *ByID {
	return &ByID{had: map[[2]string]bool{}, live: map[Object]string{}, newest: map[Object]version{}}
}

// Apply takes the next event.
func (b *ByID) Apply(e Event) {
	id := [2]string{e.Cluster, e.ID}
	if b.had[id] {
		b.Dropped++
		return
	}
	b.had[id] = true
	if e.Deleted {
		delete(b.live, e.Object)
		return
	}
	b.live[e.Object] = e.ResourceVersion
	name := e.Object
	name.UID = ""
	newest := b.newest[name]
	if newest.clusterUID == e.ClusterUID && compareVersions(e.ResourceVersion, newest.resource) < 0 {
		b.OutOfOrder = append(b.OutOfOrder, fmt.Sprintf("%s: version %s, which is new, comes after version %s", e.Object, e.ResourceVersion, newest.resource))
		return
	}
	b.newest[name] = version{e.ClusterUID, e.ResourceVersion}
}

// Compare is [State.Compare] for what this consumer has.
func (b *ByID) Compare(held map[Object]string, clusters ...string) Difference {
	return compare(b.live, held, clusters)
}
