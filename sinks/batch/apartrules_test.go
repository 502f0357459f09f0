package batch

import (
	"fmt"
	"sync"
	"testing"
	"time"

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
		deliver(of("good", "x"), of("bad", "poison-a"), of("bad", "poison-b"))
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
		deliver(of("good", "x"))
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
		s.found(key(i), errNoReason, nil, took, now)
	}
	for i := range 1000 {
		s.accepted(key(i))
	}
	s.found(key(1), errNoReason, nil, took, now)
	of := key(1)
	at, _ := s.of(&of, now)
	if wait := at.Sub(now); wait <= 0 || wait > took*refusedShare {
		t.Errorf("written again after %v, want %v at most", wait, took*refusedShare)
	}
}
