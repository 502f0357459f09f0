package sinktest

import (
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// RunPoison runs what a sink has to do with changes that its destination refuses for good
// because of what they are, such as ones that are too large. spoil makes a change one of
// those. Of the stand, Sink and Events or Held are used. It is for destinations that cannot
// be told what to refuse, as [RunRefusing] does it.
func RunPoison(t *testing.T, open func(t *testing.T) (s Stand, spoil func(*pipeline.Change))) {
	spoilt := func(spoil func(*pipeline.Change), name string, v int) *pipeline.Change {
		c := state(name, v)
		spoil(c)
		return c
	}
	t.Run("the others are accepted", func(t *testing.T) {
		s, spoil := open(t)
		batch := []*pipeline.Change{state("a", 1), spoilt(spoil, "bad", 1), state("b", 1), spoilt(spoil, "worse", 1), state("c", 1)}
		s.refuses(t, batch, 1, 3)
		s.check(t, []*pipeline.Change{batch[0], batch[2], batch[4]})
		// What is good of the same objects later is accepted.
		more := []*pipeline.Change{state("bad", 2), state("worse", 2)}
		write(t, s.Sink, more...)
		s.check(t, append([]*pipeline.Change{batch[0], batch[2], batch[4]}, more...))
	})
	t.Run("a batch of nothing else", func(t *testing.T) {
		s, spoil := open(t)
		first := state("a", 1)
		write(t, s.Sink, first)
		s.refuses(t, []*pipeline.Change{spoilt(spoil, "a", 2), spoilt(spoil, "b", 1)}, 0, 1)
		s.check(t, []*pipeline.Change{first})
	})
}

// refuses checks that those of a batch are refused for good, and no others.
func (s *Stand) refuses(t *testing.T, batch []*pipeline.Change, want ...int) {
	t.Helper()
	reasons := refused(t, s.Sink, batch)
	at(t, reasons, want...)
	for i, reason := range reasons {
		if !pipeline.IsPermanent(reason) {
			t.Errorf("change %d is refused for now: %v", i, reason)
		}
	}
}
