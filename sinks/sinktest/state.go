package sinktest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// RunState runs the suite for a sink whose destination holds what is now: of each key
// the change of the highest term and, of the same term, the highest sequence counts,
// in whichever order they come.
func RunState(t *testing.T, open OpenState) {
	run(t, func(t *testing.T) stand {
		sink, read := open(t)
		return stand{sink, func(t *testing.T, accepted []*pipeline.Change) {
			t.Helper()
			holds(t, accepted, read())
		}}
	}, slices.Concat(rules, []rule{
		{"what is older does not win", olderDoesNotWin},
		{"what is deleted stays so", deletedStaysSo},
		{"a later term wins", laterTermWins},
	}))
}

// isLater reports whether a comes after b, of the same key.
func isLater(a, b *pipeline.Change) bool {
	if a.Origin.Term != b.Origin.Term {
		return a.Origin.Term > b.Origin.Term
	}
	return a.Sequence > b.Sequence
}

// holds reports what differs between what is held and what the changes left.
func holds(t *testing.T, accepted []*pipeline.Change, held []sinks.Held) {
	t.Helper()
	last := map[pipeline.Key]*pipeline.Change{}
	for _, c := range accepted {
		if last[c.Key] == nil || isLater(c, last[c.Key]) {
			last[c.Key] = c
		}
	}
	want, got := map[pipeline.Key]sinks.Held{}, map[pipeline.Key]sinks.Held{}
	for key, c := range last {
		if c.Op != pipeline.Deleted {
			want[key] = sinks.Held{Key: key, UID: c.UID, ResourceVersion: c.ResourceVersion, Term: c.Origin.Term, Sequence: c.Sequence, Object: c.Object}
		}
	}
	for _, h := range held {
		if _, twice := got[h.Key]; twice {
			t.Errorf("%s is held twice", h.Key)
		}
		if h.Object == nil { // it does not give it back
			w := want[h.Key]
			w.Object = nil
			want[h.Key] = w
		}
		got[h.Key] = h
	}
	if diff := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Object" }, cmp.Comparer(sameJSON))); diff != "" {
		if len(diff) > 4000 {
			diff = diff[:4000] + "..."
		}
		t.Errorf("what is held (-wanted +read):\n%s", diff)
	}
}

// olderDoesNotWin writes the last changes again, as a process does that was killed
// before it had noted that they were accepted.
func olderDoesNotWin(t *testing.T, open opens) {
	s := open(t)
	batch := []*pipeline.Change{state("a", 1), state("b", 1), state("a", 2), state("b", 2), state("a", 3)}
	write(t, s, batch...)
	for _, c := range batch[:3] {
		write(t, s, c)
		s.check(t, batch)
	}
	write(t, s, batch...)
	s.check(t, batch)
}

func deletedStaysSo(t *testing.T, open opens) {
	s := open(t)
	batch := []*pipeline.Change{state("a", 1), gone("a", 2), state("b", 1), ghost("b", 2), state("b", 2)}
	write(t, s, batch...)
	for _, c := range batch {
		write(t, s, c)
		s.check(t, batch)
	}
	// Somebody makes another one of that name.
	next := state("a", 3)
	next.UID = "another"
	batch = append(batch, next)
	write(t, s, next)
	s.check(t, batch)
	write(t, s, batch[0], batch[1])
	s.check(t, batch)
}

// laterTermWins has another process go on, with lower sequences, as it may after its
// ledger was lost.
func laterTermWins(t *testing.T, open opens) {
	s := open(t)
	origin := *configMaps
	origin.Term = 2
	first := []*pipeline.Change{state("a", 5), state("b", 5)}
	write(t, s, first...)
	later := []*pipeline.Change{state("a", 3), gone("b", 4)}
	for _, c := range later {
		c.Origin = &origin
	}
	write(t, s, later...)
	s.check(t, slices.Concat(first, later))
}
