package batch

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// What is put off while there is nothing else makes nobody ask for more.
func TestWhatIsPutOffAloneAsksForNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &transaction{poison: isPoison}
		b, _ := start(t, sink, Options{})
		sink.begin()
		deliver := func(changes ...*pipeline.Change) (why error) {
			if err := b.Deliver(t.Context(), func(_ int, refused error) { why = refused }, changes...); err != nil {
				t.Error(err)
			}
			return why
		}
		of := func(cluster, name string) *pipeline.Change {
			c := change(name, 1)
			c.Key.Cluster = cluster
			return c
		}
		_ = deliver(of("good", "x"), of("bad", "poison-a"), of("bad", "poison-b"))
		until := time.Now().Add(5 * time.Minute)
		var callers sync.WaitGroup
		for i := range 40 {
			callers.Go(func() {
				for time.Now().Before(until) {
					wait, ok := pipeline.RetryDelay(deliver(of("bad", fmt.Sprint("poison-", i))))
					if !ok {
						wait = time.Second
					}
					time.Sleep(wait)
				}
			})
		}
		callers.Wait()
		_ = deliver(of("good", "x"))
		var got pipeline.Pace
		b.Pace(func(p pipeline.Pace) { got = p })
		if most := 4 * roomMost; got.UnderWay > most {
			t.Errorf("asks for %+v, want at most %d under way", got, most)
		}
	})
}

// However many objects of a cluster were refused before, one waits for those only that are
// still.
func TestWhatWasRefusedBeforeDelaysNothing(t *testing.T) {
	var s suspects
	now := time.Now()
	key := func(i int) pipeline.Key { return change(fmt.Sprint("poison-", i), 1).Key }
	const took = 20 * time.Millisecond
	for i := range 1000 {
		s.found(key(i), errNoReason, nil, took, false, now)
	}
	for i := range 1000 {
		s.accepted(key(i))
	}
	s.found(key(1), errNoReason, nil, took, false, now)
	of := key(1)
	at, _ := s.of(&of, now)
	if wait := at.Sub(now); wait <= 0 || wait > took*refusedShare {
		t.Errorf("written again after %v, want %v at most", wait, took*refusedShare)
	}
}

// What is written apart of one key keeps its order where not all of it has room.
func TestChangesOfAKeyAreWrittenApartInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := wholly(20*time.Millisecond, isP)
		b, _ := start(t, sink, Options{MaxBytes: 3000})
		outcomeOf(t, b, change("a", 1), change("p", 1), change("pp", 1))
		time.Sleep(5 * time.Second)
		for i := range 4 { // so that there is room for several objects
			outcomeOf(t, b, change(fmt.Sprint("ok", i), 1), change(fmt.Sprint("ok1", i), 1))
			time.Sleep(5 * time.Second)
		}
		other, big := change("other", 1), change("k", 1)
		other.Object, big.Object = make([]byte, 600), make([]byte, 2500)
		outcomeOf(t, b, other, big, change("k", 2))
		for _, batch := range sink.written() {
			if slices.Contains(batch, "k2") && !slices.Contains(batch, "k1") {
				t.Errorf("k2 was written before k1: %q", sink.written())
			}
		}
	})
}

// The metric tells that nothing is apart any more also when nothing is delivered.
func TestTheMetricForgetsWhatIsApartWithoutChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := wholly(0, isP1)
		b, _ := start(t, sink, Options{})
		outcomeOf(t, b, change("a", 1), change("p", 1))
		if got := testutil.ToFloat64(b.metrics.apart); got != 1 {
			t.Errorf("%v clusters apart, want 1", got)
		}
		time.Sleep(suspectFor + 2*time.Minute)
		if got := testutil.ToFloat64(b.metrics.apart); got != 0 {
			t.Errorf("%v clusters apart, want none", got)
		}
	})
}
