package queue_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// A cluster in which work takes for ever has MaxInFlight workers, and the others
// have the rest.
func TestHangingClusterLeavesWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{MaxInFlight: 2})
		var (
			workers sync.WaitGroup
			mu      sync.Mutex
			done    []string
			held    int
		)
		release := make(chan struct{})
		for range 4 {
			workers.Go(func() {
				for {
					item, shutdown := q.Get()
					if shutdown {
						return
					}
					if item[0] == 'h' {
						mu.Lock()
						held++
						mu.Unlock()
						<-release
					}
					mu.Lock()
					done = append(done, item)
					mu.Unlock()
					q.Done(item)
				}
			})
		}
		fill(q, "h", 20)
		synctest.Wait()
		fill(q, "a", 50)
		fill(q, "b", 50)
		synctest.Wait()
		mu.Lock()
		equal(t, "done", clusters(done), map[string]int{"a": 50, "b": 50})
		if held != 2 {
			t.Errorf("%d of the hanging cluster are in work, want 2", held)
		}
		mu.Unlock()
		equal(t, "left", q.Len(), 18)
		close(release)
		synctest.Wait()
		q.ShutDown()
		workers.Wait()
		equal(t, "done in the end", clusters(done)["h"], 20)
	})
}

// What a busy lane holds is handed out by a drain as well.
func TestDrainWithBusyLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{MaxInFlight: 1})
		fill(q, "a", 3)
		first, _ := q.Get()
		var workers sync.WaitGroup
		var mu sync.Mutex
		var got []string
		for range 2 {
			workers.Go(func() {
				for item, shutdown := q.Get(); !shutdown; item, shutdown = q.Get() {
					mu.Lock()
					got = append(got, item)
					mu.Unlock()
					q.Done(item)
				}
			})
		}
		workers.Go(q.ShutDownWithDrain)
		synctest.Wait()
		mu.Lock()
		equal(t, "while one is in work", len(got), 0)
		mu.Unlock()
		q.Done(first)
		workers.Wait()
		slices.Sort(got)
		equal(t, "drained", got, []string{"a/001", "a/002"})
	})
}

func TestSetMaxInWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{})
		q.SetMaxInFlight(1)
		fill(q, "a", 2)
		q.Get()
		got := make(chan string)
		go func() {
			item, _ := q.Get()
			got <- item
		}()
		synctest.Wait()
		select {
		case item := <-got:
			t.Errorf("got %s of a busy cluster", item)
		default:
		}
		q.SetMaxInFlight(2)
		equal(t, "once there is room", <-got, "a/001")
	})
}

// A busy lane that is removed is gone for good.
func TestRemoveBusyCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{MaxInFlight: 1})
		fill(q, "a", 3)
		item, _ := q.Get()
		q.Add("b/000")
		take(t, q, 1)
		var removing sync.WaitGroup
		removing.Go(func() {
			if err := q.RemoveCluster(t.Context(), "a"); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		q.Done(item)
		removing.Wait()
		equal(t, "lanes", len(q.Lanes()), 1)
		fill(q, "a", 1)
		equal(t, "afterwards", take(t, q, 1), []string{"a/000"})
	})
}
