package sources

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/cache"
)

// TestRemoveAndAdd: fifty rounds leave nothing, and a reconcile in work is
// waited for.
func TestRemoveAndAdd(t *testing.T) {
	simulate(t, CachesOptions{}, func(t *testing.T, s *sim) {
		f := newFakeAPI("A", "x", "y")
		s.set("other", newFakeAPI("B"))
		synctest.Wait()
		before := runtime.NumGoroutine()
		for range 50 {
			s.set("a", f)
			synctest.Wait()
			r, _ := s.queue.Get()
			if r.Cluster != "a" || s.queue.Len() != 1 {
				t.Fatalf("got %v and %d more", r, s.queue.Len())
			}
			s.caches.Remove("a")
			synctest.Wait()
			if s.queue.Len() != 0 {
				t.Error("the queue holds requests for a member that was removed")
			}
			if _, err := s.caches.Client("a"); !errors.Is(err, cache.ErrClusterGone) || !errors.Is(err, cache.ErrClusterUnavailable) {
				t.Errorf("client of a member that was removed: %v", err)
			}
			s.set("a", f) // waits for the one in work
			synctest.Wait()
			s.state("a", cache.Gone)
			s.queue.Done(r)
			synctest.Wait()
			s.state("a", cache.Live)
			s.want("again", "a/x?", "a/y?")
			s.caches.Remove("a")
			synctest.Wait()
			s.state("a", cache.Gone)
		}
		if now := runtime.NumGoroutine(); now > before+10 { // others come and go in a test binary
			t.Errorf("%d goroutines, %d before", now, before)
		}
	})
}

// TestChanges: each change is told once, in order, and a slow watcher misses
// only what is outdated.
func TestChanges(t *testing.T) {
	simulate(t, CachesOptions{}, func(t *testing.T, s *sim) {
		f := newFakeAPI("A", "x")
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var got []string
		note := func(c cache.Status) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, c.Cluster+" "+string(c.State)+":"+c.Reason+c.ClusterUID+c.Labels["tier"])
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			for c := range s.caches.Changes(ctx) {
				note(c)
			}
		})
		// ends tells how the changes since the last call end.
		ends := func(when, want string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			last := ""
			if len(got) > 0 {
				last, _, _ = strings.Cut(got[len(got)-1], ":")
			}
			if last != want || len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Errorf("%s: %v, want %q at the end, and nothing twice", when, got, want)
			}
			got = nil
		}
		s.set("a", f)
		ends("start", "a live")
		time.Sleep(time.Minute)
		f.cut()
		// The last probe may have been just now: the next keeps its distance.
		time.Sleep(time.Second)
		ends("cut", "a backing off")
		f.restore()
		time.Sleep(2 * time.Second)
		ends("restored", "a live")
		time.Sleep(24 * time.Hour)
		ends("a day later", "")
		s.caches.Remove("a")
		ends("removed", "a gone")
		cancel()
		wg.Wait()

		s.set("a", f)
		synctest.Wait()
		for c := range s.caches.Changes(t.Context()) { // late: begins with what is
			if c.Cluster != "a" || c.State != cache.Live {
				t.Errorf("first status %+v", c)
			}
			break
		}
	})
}
