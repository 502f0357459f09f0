package queue_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// A lane that rests hands out nothing of either class for that long, whatever comes
// meanwhile, and the others go on. It counts as no lack of tokens.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue.New(queue.Options[string, string]{Cluster: func(item string) string { return item[:1] }})
		q.Rest("none", time.Second)
		q.Add("a1")
		q.Rest("a", time.Second)
		got := worker(q)
		time.Sleep(600 * time.Millisecond)
		q.Add("a2")
		q.AddWithOpts(opts{Priority: new(-1)}, "a3")
		q.Rest("a", time.Second) // rests already
		q.Add("b1")
		time.Sleep(time.Second)
		q.Add("a4")
		want := map[string]time.Duration{"b1": 600 * time.Millisecond, "a1": time.Second, "a2": time.Second, "a3": time.Second, "a4": 1600 * time.Millisecond}
		if diff := cmp.Diff(want, got()); diff != "" {
			t.Errorf("handed out (-want +got):\n%s", diff)
		}
		if l := q.Lanes()[0]; l.Throttles != 0 || l.Throttled != 0 {
			t.Errorf("throttled %d times, %v", l.Throttles, l.Throttled)
		}
		stopNow(t, q)
	})
}

// A rest ends with its lane, and with the queue.
func TestRestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue.New(queue.Options[string, string]{Cluster: func(item string) string { return item[:1] }})
		q.Add("a1")
		q.Rest("a", time.Hour)
		if err := q.RemoveCluster(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		q.Add("a2")
		if item, _ := q.Get(); item != "a2" {
			t.Errorf("got %s", item)
		}
		q.Done("a2")
		q.Add("a3")
		q.Rest("a", time.Hour)
		stopNow(t, q)
		if item, shutdown := q.Get(); !shutdown {
			t.Errorf("got %s after the end", item)
		}
	})
}

// Once the intake is stopped no lane rests: what waits is handed out at once, however often
// workers say that nothing can be done.
func TestNoRestWhileItStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue.New(queue.Options[string, string]{Cluster: func(item string) string { return item[:1] }})
		for i := range 100 {
			q.Add(fmt.Sprint("a", i))
		}
		q.Rest("a", time.Hour)
		for range 2 {
			go func() {
				for {
					item, shutdown := q.Get()
					if shutdown {
						return
					}
					q.Rest("a", time.Minute)
					q.AddAfter(item, time.Minute)
					q.Done(item)
				}
			}()
		}
		began := time.Now()
		q.Stop(t.Context())
		if took := time.Since(began); took != 0 {
			t.Errorf("stopped after %v", took)
		}
		synctest.Wait()
	})
}
