package app

import (
	"github.com/fairlead-dev/fairlead/pipeline"
)

// mostWanters is how many readers may want something at a time: a bit is each.
const mostWanters = 64

// wanterIndex finds the readers that want an answer, in a time that does not depend on how
// many there are. It does not change: who comes or goes has a new one made.
type wanterIndex struct {
	number  uint64               // of those that were made; the first one has 1
	wanters [mostWanters]*wanter // at their bits; nil: that bit is free
	all     uint64               // the bits of all
	objects uint64               // the bits of those that want objects, too
	about   expressionIndex

	clusters, resources, namespaces, routes nameIndex
	ops                                     [pipeline.Deleted + 1]uint64
}

// nameIndex tells which readers let a name through.
type nameIndex struct {
	every uint64            // the bits of those that let every name through
	named map[string]uint64 // those of the others; nil: there are none
}

// indexOf makes the index of some readers, or nil of none.
func indexOf(wanters [mostWanters]*wanter) *wanterIndex {
	x := &wanterIndex{wanters: wanters}
	for i, w := range wanters {
		if w == nil {
			continue
		}
		bit, f := uint64(1)<<i, w.filter
		x.all |= bit
		if f.needsObject() {
			x.objects |= bit
		}
		if f.where != nil {
			x.about.some |= bit
		}
		x.clusters.add(bit, &f.clusters)
		x.resources.add(bit, &f.resources)
		x.namespaces.add(bit, &f.namespaces)
		x.routes.add(bit, &f.routes)
		for op := range x.ops {
			if f.ops == 0 || f.ops>>op&1 == 1 {
				x.ops[op] |= bit
			}
		}
	}
	if x.all == 0 {
		return nil
	}
	return x
}

// who returns the bits of those that want the answer about a change. It decides as
// tailFilter.matches does.
func (x *wanterIndex) who(route string, key *pipeline.Key, plural string, op pipeline.Op) uint64 {
	if int(op) >= len(x.ops) {
		return 0
	}
	resources := x.resources.of(key.Resource)
	if x.resources.named != nil {
		resources |= x.resources.of(plural)
	}
	return x.ops[op] & resources & x.clusters.of(key.Cluster) & x.namespaces.of(key.Namespace) & x.routes.of(route)
}

func (n *nameIndex) add(bit uint64, names *nameSet) {
	if names.all() {
		n.every |= bit
		return
	}
	if n.named == nil {
		n.named = map[string]uint64{}
	}
	for _, name := range names.few {
		n.named[name] |= bit
	}
	for name := range names.many {
		n.named[name] |= bit
	}
}

func (n *nameIndex) of(name string) uint64 {
	if n.named == nil {
		return n.every
	}
	return n.every | n.named[name]
}
