package queue_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

func fill(q *queue.Queue[string, string], cluster string, n int) {
	for i := range n {
		q.Add(fmt.Sprintf("%s/%03d", cluster, i))
	}
}

// clusters counts items by cluster.
func clusters(items []string) map[string]int {
	n := make(map[string]int)
	for _, item := range items {
		n[item[:1]]++
	}
	return n
}

// A cluster with one item waits for one turn of each of the others, however
// much these have.
func TestFloodTakesTurns(t *testing.T) {
	q := newNameQueue(queue.Options[string, string]{})
	fill(q, "a", 900)
	fill(q, "b", 900)
	take(t, q, 100)
	q.Add("c/quiet")
	items := take(t, q, 3)
	equal(t, "next three", clusters(items), map[string]int{"a": 1, "b": 1, "c": 1})
}

func TestWeights(t *testing.T) {
	q := newNameQueue(queue.Options[string, string]{})
	q.SetWeight("b", 3)
	q.SetWeight("c", -1)
	fill(q, "a", 100)
	fill(q, "b", 100)
	fill(q, "c", 100)
	for range 10 {
		equal(t, "one round", clusters(take(t, q, 5)), map[string]int{"a": 1, "b": 3, "c": 1})
	}
	q.SetWeight("b", 1)
	take(t, q, 5) // the turn under way
	equal(t, "two rounds of equal weights", clusters(take(t, q, 6)), map[string]int{"a": 2, "b": 2, "c": 2})
}

func TestEmptyLaneSavesNoCredit(t *testing.T) {
	q := newNameQueue(queue.Options[string, string]{})
	q.SetWeight("b", 5)
	fill(q, "a", 100)
	take(t, q, 50) // turns that b did not use
	fill(q, "b", 40)
	equal(t, "next two rounds", clusters(take(t, q, 12)), map[string]int{"a": 2, "b": 10})
}

func TestEveryEighthPickIsOfTheSnapshot(t *testing.T) {
	q := newNameQueue(queue.Options[string, string]{})
	for i := range 10 {
		q.AddWithOpts(opts{Priority: new(-100)}, fmt.Sprintf("a/snapshot%d", i))
	}
	fill(q, "a", 100)
	for i, item := range take(t, q, 80) {
		if got, want := strings.HasPrefix(item, "a/snapshot"), i%8 == 7; got != want {
			t.Errorf("pick %d: %s", i+1, item)
		}
	}
}

// Whoever floods spends his own tokens.
func TestFloodSpendsItsOwnTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{
			Buckets: ratelimit.New(ratelimit.Limit{QPS: 10, Burst: 5}),
		})
		fill(q, "a", 500)
		start := time.Now()
		equal(t, "burst", clusters(take(t, q, 5)), map[string]int{"a": 5})
		equal(t, "time for the burst", time.Since(start), time.Duration(0))

		var wg sync.WaitGroup
		var waits []time.Duration
		wg.Go(func() { // a quiet cluster: one item every 300 ms
			for i := range 20 {
				time.Sleep(300 * time.Millisecond)
				q.Add(fmt.Sprintf("b/%d %d", i, time.Since(start)))
			}
		})
		flood := 0
		for len(waits) < 20 {
			item, _ := q.Get()
			q.Done(item)
			var i int
			var added time.Duration
			if n, _ := fmt.Sscanf(item, "b/%d %d", &i, &added); n == 2 {
				waits = append(waits, time.Since(start)-added)
			} else {
				flood++
			}
		}
		wg.Wait()
		for i, w := range waits {
			if w != 0 {
				t.Errorf("item %d of the quiet cluster waited %v", i, w)
			}
		}
		if flood < 58 || flood > 61 {
			t.Errorf("the flooding cluster got %d items through in 6 s at 10 per second", flood)
		}
		s := lane(q, "a")
		if s.Throttles == 0 || s.Throttled < 5*time.Second || s.Throttled > 6*time.Second {
			t.Errorf("stats of the flooding cluster: %+v", s)
		}
		if s := lane(q, "b"); s.Throttles != 0 || s.Throttled != 0 {
			t.Errorf("stats of the quiet cluster: %+v", s)
		}
	})
}

// One token per item handed out, none for looking.
func TestTokensAreNotWasted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{
			Buckets: ratelimit.New(ratelimit.Limit{QPS: 1, Burst: 3}),
		})
		var workers sync.WaitGroup
		times := make(chan time.Duration, 10)
		start := time.Now()
		for range 4 {
			workers.Go(func() {
				for {
					item, shutdown := q.Get()
					if shutdown {
						return
					}
					times <- time.Since(start)
					q.Done(item)
				}
			})
		}
		synctest.Wait()
		fill(q, "a", 6)
		time.Sleep(10 * time.Second)
		q.ShutDown()
		workers.Wait()
		close(times)
		var got []time.Duration
		for d := range times {
			got = append(got, d.Round(time.Millisecond))
		}
		equal(t, "times", got, []time.Duration{0, 0, 0, 1 * time.Second, 2 * time.Second, 3 * time.Second})
	})
}

func TestRaisedLimitTakesEffectAtOnce(t *testing.T) {
	perMinute := ratelimit.Limit{QPS: 1.0 / 60, Burst: 1}
	for name, raise := range map[string]func(*queue.Queue[string, string]){
		"one cluster": func(q *queue.Queue[string, string]) { q.SetLimit("a", ratelimit.Limit{QPS: 100, Burst: 1}) },
		"the default": func(q *queue.Queue[string, string]) { q.SetDefaultLimit(ratelimit.Limit{QPS: 100, Burst: 1}) },
		"no limit":    func(q *queue.Queue[string, string]) { q.SetDefaultLimit(ratelimit.Limit{}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newNameQueue(queue.Options[string, string]{Buckets: ratelimit.New(perMinute)})
				fill(q, "a", 10)
				take(t, q, 1)
				start := time.Now()
				done := make(chan struct{})
				go func() {
					defer close(done)
					take(t, q, 9)
				}()
				time.Sleep(time.Second)
				equal(t, "items left before", q.Len(), 9)
				raise(q)
				<-done
				if took := time.Since(start); took > 1100*time.Millisecond {
					t.Errorf("the rest took %v", took)
				}
			})
		})
	}
}

func TestLoweredLimitTakesEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{}) // no limits at first
		fill(q, "a", 100)
		take(t, q, 10)
		q.SetLimit("a", ratelimit.Limit{QPS: 2, Burst: 1})
		take(t, q, 1)
		start := time.Now()
		take(t, q, 10)
		equal(t, "time for ten", time.Since(start).Round(time.Millisecond), 5*time.Second)
	})
}
