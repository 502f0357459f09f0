package hub

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// ofTerm returns a change as another process tells it.
func ofTerm(c *pipeline.Change, term uint64) *pipeline.Change {
	origin := *c.Origin
	origin.Term = term
	c.Origin = &origin
	return c
}

func testEarlierTerm(t *testing.T, now, late *Sink) {
	write(t, now, ofTerm(state("a", 1), 7), ofTerm(gone("b", 1), 7))
	for _, c := range []*pipeline.Change{ofTerm(state("a", 900), 6), ofTerm(state("b", 900), 6), ofTerm(gone("a", 900), 6)} {
		err := late.Write(t.Context(), []*pipeline.Change{state("other", 1), c})
		if !errors.Is(err, pipeline.ErrOldTerm) || pipeline.IsPermanent(err) {
			t.Errorf("%s of %s, of an earlier term: %v", c.Op, c.Key, err)
		}
	}
	found := all(t, now)
	if a := found["a"]; a.Spec.ResourceVersion != "1" || a.Spec.Term != 7 || !a.Spec.Deleted.IsZero() {
		t.Errorf("what is there of a: %+v", a.Spec)
	}
	if b := found["b"]; b.Spec.Deleted.IsZero() || b.Metadata.Labels[labelDeleted] != "true" {
		t.Errorf("what is there of b: %+v", b)
	}
}

// Several processes write the same states in any order: what is left is the last one,
// and a record never goes back.
func testRace(t *testing.T, sinks ...*Sink) {
	const names, versions = 6, 12
	var wg sync.WaitGroup
	for n, s := range sinks {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 1)) //nolint:gosec // Any order will do.
			for _, i := range random.Perm(names * versions) {
				c := state(fmt.Sprint("race-", i%names), 1+i/names)
				if c.Sequence == versions && i%2 == 0 {
					c.Op = pipeline.Deleted
				}
				if err := s.Write(t.Context(), []*pipeline.Change{c}); err != nil {
					t.Errorf("write %s: %v", c.Key, err)
				}
			}
		})
	}
	wg.Wait()
	found := all(t, sinks[0])
	for i := range names {
		r := found[fmt.Sprint("race-", i)]
		if r.Spec.Sequence != versions || r.Spec.Deleted.IsZero() != (i%2 == 1) {
			t.Errorf("what is left of race-%d: %+v", i, r.Spec)
		}
	}
	var older float64
	for _, s := range sinks {
		older += testutil.ToFloat64(s.metrics.older)
	}
	if older == 0 {
		t.Error("no write was older than what was there: the test shows nothing")
	}
}

// The record of a deleted object is removed when its time is over, and not before; one
// of an object that is there again stays.
func testSweep(t *testing.T, s *Sink) {
	now := time.Now()
	s.now = func() time.Time { return now }
	write(t, s, gone("early", 1), state("stays", 1))
	now = now.Add(s.o.DeletedFor / 2)
	write(t, s, gone("later", 1), gone("again", 1))
	now = now.Add(s.o.DeletedFor/2 + time.Second)
	write(t, s, state("again", 2))
	if err := s.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	found := all(t, s)
	if _, ok := found["early"]; ok || len(found) != 3 {
		t.Errorf("after the first sweep: %v", found)
	}
	now = now.Add(s.o.DeletedFor)
	// What has changed since it was listed stays.
	stale := found["later"]
	write(t, s, state("later", 2), gone("later", 3))
	if err := s.remove(t.Context(), &stale.Metadata, nil); !isCode(err, 409) {
		t.Errorf("a record that has changed is removed: %v", err)
	}
	if err := s.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	found = all(t, s)
	if len(found) != 3 || !found["again"].Spec.Deleted.IsZero() || found["later"].Spec.Sequence != 3 {
		t.Errorf("after the second sweep: %v", found)
	}
	if n := testutil.ToFloat64(s.metrics.removed); n != 1 {
		t.Errorf("%v records count as removed", n)
	}
}
