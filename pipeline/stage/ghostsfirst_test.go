package stage

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// Many ghosts' deletions go without the change, which is begun again at once when the sink
// has accepted them all, in whichever order it tells of them.
func TestManyGhostsGoAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := make(chan struct{})
		r := &recorder{ghosts: []types.UID{"g1", "g2"}, first: true, held: map[types.UID]chan struct{}{"g1": held}}
		s := newTestStage(t, r)
		ended := s.start(t.Context(), s.bundleOf(testChange(r, "u1")))
		r.happened(t, "begin u1", "deleted g1 tombstone", "deleted g2 tombstone", "ack g2")
		if n := s.queue.Len(); n != 0 {
			t.Fatalf("%d changes are handed out while a ghost's deletion is under way", n)
		}
		close(held)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		r.happened(t, "ack g1")
		b := s.take(t, "u1")
		if p := b.parts[0]; p.priority != 7 || p.change.Refusals != 0 || s.Refused() != nil {
			t.Errorf("came back with priority %d and %d refusals", p.priority, p.change.Refusals)
		}
		if err := s.work(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		r.happened(t, "begin u1", "updated u1", "ack u1")
		if lanes := s.queue.Lanes(); lanes[0].Delayed+lanes[0].Live+lanes[0].InFlight != 0 {
			t.Errorf("lane %+v, want nothing", lanes[0])
		}
	})
}

// A ghost that is refused brings back its change later, and what was accepted is not told
// again.
func TestOneOfManyGhostsIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{ghosts: []types.UID{"g1", "g2", "g3"}, first: true, refuse: map[types.UID]error{"g2": pipeline.RetryAfter(errors.New("no"), time.Hour)}}
		s := newTestStage(t, r)
		if err := s.work(t.Context(), s.bundleOf(testChange(r, "u1"))); err != nil {
			t.Fatal(err)
		}
		r.happened(t, "begin u1", "deleted g1 tombstone", "deleted g2 tombstone", "deleted g3 tombstone", "ack g1")
		if refused := s.Refused(); len(refused) != 1 || refused[0].Reason != "no" {
			t.Errorf("refused %+v", refused)
		}
		if n := s.queue.Len(); n != 0 {
			t.Errorf("it is tried again before the sink wants it")
		}
		delete(r.refuse, "g2")
		time.Sleep(time.Hour + time.Second)
		if err := s.work(t.Context(), s.take(t, "u1")); err != nil {
			t.Fatal(err)
		}
		r.happened(t, "begin u1", "deleted g2 tombstone", "deleted g3 tombstone", "ack g2", "ack g3")
		if err := s.work(t.Context(), s.take(t, "u1")); err != nil {
			t.Fatal(err)
		}
		r.happened(t, "begin u1", "updated u1", "ack u1")
	})
}

// The destination ends before it has told of all: the change is not lost.
func TestManyGhostsAreInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{ghosts: []types.UID{"g1", "g2"}, first: true, failing: errors.New("it ends")}
		s := newTestStage(t, r)
		if err := s.work(t.Context(), s.bundleOf(testChange(r, "u1"))); err == nil {
			t.Fatal("no error")
		}
		r.failing = nil
		if err := s.work(t.Context(), s.take(t, "u1")); err != nil {
			t.Fatal(err)
		}
		r.happened(t, "begin u1", "deleted g1 tombstone", "deleted g2 tombstone", "begin u1", "deleted g1 tombstone", "deleted g2 tombstone", "ack g1", "ack g2")
	})
}

// A change that has given its object up needs none while its ghosts go.
func TestManyGhostsNeedNoObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{ghosts: []types.UID{"g1"}, first: true}
		s := newTestStage(t, r)
		c := testChange(r, "u1")
		c.Evicted = 100
		if err := s.work(t.Context(), s.bundleOf(c)); err != nil {
			t.Fatal(err)
		}
		r.happened(t, "begin u1", "deleted g1 tombstone", "ack g1")
		if b := s.take(t, "u1"); b.parts[0].change.Evicted != 100 || !b.parts[0].change.Rests {
			t.Errorf("came back as %+v", b.parts[0].change)
		}
	})
}
