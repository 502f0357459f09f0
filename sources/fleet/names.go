package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// candidate is a finding and where it was made.
type candidate struct {
	Description
	ref sourceRef
}

// hold keeps a name for an object of the hub that has had it and does not
// describe it any more.
type hold struct {
	ref    sourceRef
	source string
	until  time.Time
}

// holdNames keeps the names that have lost their object of the hub for some time:
// to rotate a Secret is to delete it and create it again, and nobody else is to
// get its name in between.
func (f *Fleet) holdNames(candidates map[string][]candidate, now time.Time) {
	for name, o := range f.owners {
		if !o.hub || slices.ContainsFunc(candidates[name], func(c candidate) bool { return c.ref == o.ref }) {
			continue
		}
		if _, ok := f.held[name]; !ok && f.opts.NameHold > 0 {
			f.held[name] = hold{o.ref, o.member.Source, now.Add(f.opts.NameHold)}
		}
	}
	for name, h := range f.held {
		if !now.Before(h.until) {
			delete(f.held, name)
		}
	}
}

// nextFree returns when the next name is free, zero if none is kept.
func (f *Fleet) nextFree() (free time.Time) {
	for _, h := range f.held {
		if free.IsZero() || h.until.Before(free) {
			free = h.until
		}
	}
	return free
}

// winner returns which of the candidates for a name gets it, or -1 and why none
// does: who has it keeps it; a name that is kept goes to whom it is kept for, or
// to a file, because who writes those decides what the fleet is; a name of one's
// own goes before one that was chosen; then the earlier candidate wins.
func (f *Fleet) winner(name string, candidates []candidate) (win int, why error) {
	at := func(p sourceRef) int {
		return slices.IndexFunc(candidates, func(c candidate) bool { return c.ref == p })
	}
	if o, ok := f.owners[name]; ok {
		if win := at(o.ref); win >= 0 {
			return win, nil
		}
	}
	h, held := f.held[name]
	if held {
		if win := at(h.ref); win >= 0 {
			return win, nil
		}
	}
	win = -1
	for i, c := range candidates {
		if held && c.Object != nil {
			continue
		}
		if win < 0 || cmp.Compare(rank(c), rank(candidates[win])) < 0 {
			win = i
		}
	}
	if win < 0 {
		return -1, fmt.Errorf("cluster %q was described by %s, which is gone; the name is kept for it until %s, and free then",
			name, h.source, h.until.UTC().Format(time.RFC3339))
	}
	return win, nil
}

func rank(c candidate) int {
	if c.Chosen {
		return 1
	}
	return 0
}
