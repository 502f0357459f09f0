package app

import "slices"

// nameSet is which names a filter lets through; with none in it, all. A few are compared one
// by one, which is faster then.
type nameSet struct {
	few  []string
	many map[string]bool
}

// mostFew is how many names are few.
const mostFew = 8

// namesOf returns the set of the names in a list.
func namesOf(list []string) nameSet {
	if len(list) <= mostFew {
		return nameSet{few: list}
	}
	n := nameSet{many: make(map[string]bool, len(list))}
	for _, name := range list {
		n.many[name] = true
	}
	return n
}

// all reports whether every name is let through.
func (n *nameSet) all() bool { return len(n.few) == 0 && n.many == nil }

// has reports whether a name is let through.
func (n *nameSet) has(name string) bool {
	if n.many != nil {
		return n.many[name]
	}
	return len(n.few) == 0 || slices.Contains(n.few, name)
}
