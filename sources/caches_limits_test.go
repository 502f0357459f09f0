package sources

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"k8s.io/client-go/util/workqueue"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources/cache"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// TestCachesFollowLimits: what a description asks for holds at once, and asking
// for other limits does not disturb the connection.
func TestCachesFollowLimits(t *testing.T) {
	var told []fleet.Limits
	limit := func(_ string, l fleet.Limits) { told = append(told, l) }
	simulate(t, CachesOptions{Limit: limit}, func(t *testing.T, s *sim) {
		f := newFakeAPI("A", "x")
		m := fleet.Member{Name: "a", REST: f.rest("one"), Fingerprint: "same", Limits: fleet.Limits{Paused: true, Weight: new(3)}}
		s.caches.Set(m)
		time.Sleep(time.Hour)
		if got := s.state("a", cache.BackingOff); got.Reason != "paused" || f.count("initial") != 0 {
			t.Errorf("paused from the start: %+v, requests %v", got, f.requests)
		}

		// A queue that comes late has the limits of those that are there.
		var made *queue.Queue[queue.Request, queue.Request]
		fair := s.caches.FairRequests(ratelimit.Limit{QPS: 20}, 0, func(q *queue.Queue[queue.Request, queue.Request]) { made = q })
		defer fair("late", nil).ShutDown()
		buckets := func() *ratelimit.Buckets {
			for l := range s.caches.limiters {
				return l.buckets
			}
			return nil
		}
		limits := func(when string, want ratelimit.Limit, weight int) {
			t.Helper()
			made.Add(request("a", "default", "x")) // makes the lane
			lane := made.Lanes()[0]
			if got := buckets().Limit("a"); got != want || lane.Weight != weight {
				t.Errorf("%s: limit %v, weight %d; want %v, %d", when, got, lane.Weight, want, weight)
			}
			if err := made.RemoveCluster(t.Context(), "a"); err != nil {
				t.Error(err)
			}
		}
		limits("at first", ratelimit.Limit{QPS: 20}, 3)

		m.Limits = fleet.Limits{}
		s.caches.Set(m)
		s.want("goes on", "a/x?")
		s.state("a", cache.Live)
		limits("none asked for", ratelimit.Limit{QPS: 20}, 1)

		requests := f.total()
		m.Limits = fleet.Limits{QPS: new(5.0), Burst: new(7), Weight: new(2)}
		s.caches.Set(m)
		s.state("a", cache.Live)
		limits("all asked for", ratelimit.Limit{QPS: 5, Burst: 7}, 2)
		if f.total() != requests {
			t.Error("other limits made the connection anew")
		}

		// Paused and back: reads go on, calls fail, only what is new is told.
		m.Limits.Paused = true
		s.caches.Set(m)
		s.state("a", cache.BackingOff)
		f.put("y")
		time.Sleep(time.Hour)
		s.want("while paused")
		if err := s.get("a", "x"); err != nil {
			t.Errorf("read: %v", err)
		}
		if err := s.client("a").Create(t.Context(), configMap("default", "z", "")); !errors.Is(err, cache.ErrClusterUnavailable) {
			t.Errorf("write: %v", err)
		}
		m.Limits.Paused = false
		s.caches.Set(m)
		s.want("after the pause", "a/y")
		s.state("a", cache.Live)

		m.Fingerprint, m.REST = "other", f.rest("two")
		s.caches.Set(m)
		s.state("a", cache.Live)
		if f.total() == requests {
			t.Error("a new configuration is not in use")
		}

		s.caches.Remove("a")
		synctest.Wait()
		limits("removed", ratelimit.Limit{QPS: 20}, 1)
		if len(told) != 6 {
			t.Errorf("told of limits %d times: %+v", len(told), told)
		}
	})
}

// TestRemovedMayCallBack: who is told that a member has left can ask about the
// others, and bring it back.
func TestRemovedMayCallBack(t *testing.T) {
	var s *sim
	var f *fakeAPI
	told := 0
	removed := func(name string) {
		told++
		if !s.caches.mu.TryLock() { // and not a deadlock
			t.Error("the caches are locked")
			return
		}
		s.caches.mu.Unlock()
		_ = s.caches.Connections()
		s.set(name, f)
	}
	simulate(t, CachesOptions{Removed: removed}, func(t *testing.T, made *sim) {
		s, f = made, newFakeAPI("A", "x")
		s.set("a", f)
		s.state("a", cache.Live)
		s.caches.Remove("a")
		time.Sleep(time.Minute)
		s.state("a", cache.Live)
		if told != 1 {
			t.Errorf("told %d times", told)
		}
	})
}

// TestCachesOfAConnectionThatPanics: it is made anew.
func TestCachesOfAConnectionThatPanics(t *testing.T) {
	simulate(t, CachesOptions{}, func(t *testing.T, s *sim) {
		f := newFakeAPI("A", "x")
		f.override = func(*http.Request) (*http.Response, error) { panic("as if") }
		s.set("a", f)
		time.Sleep(time.Minute)
		f.restore()
		time.Sleep(5 * time.Minute)
		s.state("a", cache.Live)
		s.want("first list", "a/x?")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.client("a").Get(ctx, request("a", "default", "x").NamespacedName, configMap("", "", "")); err != nil {
			t.Error(err)
		}
	})
}

// TestCachesForgetQueuesThatEnded: a program that makes and ends controllers, as
// one per CustomResourceDefinition, keeps none of their queues, however they end.
func TestCachesForgetQueuesThatEnded(t *testing.T) {
	c, err := NewCaches(CachesOptions{})
	if err != nil {
		t.Fatal(err)
	}
	type requests = queue.Queue[queue.Request, queue.Request]
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, end := range map[string]func(*requests){
		"ShutDown":          (*requests).ShutDown,
		"ShutDownWithDrain": (*requests).ShutDownWithDrain,
		"Stop":              func(q *requests) { q.Stop(ended) },
		"all":               func(q *requests) { q.ShutDown(); q.ShutDownWithDrain(); q.Stop(ended) },
	} {
		newQueue := c.FairRequests(ratelimit.Limit{QPS: 20}, 2, nil)
		for range 2 { // controllers, of one value
			q := newQueue("c", workqueue.DefaultTypedControllerRateLimiter[queue.Request]()).(*requests)
			if len(c.limiters) != 1 {
				t.Errorf("%s: %d queues are known of one controller", name, len(c.limiters))
			}
			end(q)
			if len(c.limiters) != 0 {
				t.Errorf("%s: %d queues are kept of no controller", name, len(c.limiters))
			}
		}
	}
}
