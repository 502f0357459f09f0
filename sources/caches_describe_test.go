package sources

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/sources/cache"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// A description that changes nothing of the connection does not break it, and
// what else it says takes effect.
func TestDescriptionChanges(t *testing.T) {
	simulate(t, CachesOptions{}, func(t *testing.T, s *sim) {
		m := fleet.Member{Name: "a", REST: newFakeAPI("A", "x").rest("one"), Fingerprint: "1"}
		reconnects := func() (n uint64) {
			for _, c := range s.caches.Connections() {
				for _, times := range c.Reconnects {
					n += times
				}
			}
			return n
		}
		s.caches.Set(m)
		s.state("a", cache.Live)
		ctx, cancel := context.WithCancel(t.Context())
		var told []string
		var wg sync.WaitGroup
		wg.Go(func() {
			for c := range s.caches.Changes(ctx) {
				told = append(told, string(c.State)+" "+c.Labels["tier"])
			}
		})
		synctest.Wait()
		m.Labels = map[string]string{"tier": "edge"}
		s.caches.Set(m)
		if got := s.state("a", cache.Live); got.Labels["tier"] != "edge" || reconnects() != 0 {
			t.Errorf("status %+v after %d reconnects", got, reconnects())
		}
		m.Limits.Paused = true
		s.caches.Set(m)
		s.state("a", cache.BackingOff)
		m.Limits.Paused = false
		s.caches.Set(m)
		time.Sleep(2 * time.Second)
		s.state("a", cache.Live)
		cancel()
		wg.Wait()
		if len(told) < 3 || told[0] != "live " || told[1] != "live edge" {
			t.Errorf("told %q", told)
		}
		s.caches.Remove("a")
		synctest.Wait()
		m.Labels = nil
		s.caches.Set(m)
		if got := s.state("a", cache.Live); got.Labels != nil {
			t.Errorf("labels of the member before: %v", got.Labels)
		}
	})
}

// The source of members' changes tells a controller of all that happens to them.
func TestMembersSource(t *testing.T) {
	simulate(t, CachesOptions{}, func(t *testing.T, s *sim) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		source := cache.Members(s.caches.Fleet, func(_ context.Context, c cache.Status) []queue.Request {
			return []queue.Request{request("hub", "", c.Cluster+" "+string(c.State)), request("hub", "", "all")}
		})
		if err := source.Start(ctx, s.queue); err != nil {
			t.Fatal(err)
		}
		s.set("a", newFakeAPI("A"))
		synctest.Wait()
		if got := s.drain(); !slices.Contains(got, "hub/a live") || !slices.Contains(got, "hub/all") {
			t.Errorf("asked for %v", got)
		}
		s.caches.Remove("a")
		s.want("removed", "hub/a gone", "hub/all")
		cancel()
		synctest.Wait()
		s.set("a", newFakeAPI("A"))
		s.want("after the controller's end")
	})
}
