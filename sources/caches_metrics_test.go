package sources

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/cache"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

func TestCachesMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	// series returns the values of a metric by its labels, the cluster's name first.
	series := func(name string) map[string]float64 {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]float64{}
		for _, f := range families {
			if f.GetName() != name {
				continue
			}
			for _, m := range f.GetMetric() {
				var labels string
				for _, l := range m.GetLabel() {
					labels += l.GetValue() + " "
				}
				values[labels] = m.GetGauge().GetValue()
			}
		}
		return values
	}
	simulate(t, CachesOptions{Registerer: reg}, func(t *testing.T, s *sim) {
		s.caches.Set(fleet.Member{Name: "a", REST: newFakeAPI("A", "x").rest("one")})
		s.state("a", cache.Live)
		states := series("fairlead_cache_state")
		if states["a live "] != 1 || states["a backing off "] != 0 || len(states) != 5 {
			t.Errorf("states: %v", states)
		}
		if n := len(series("fairlead_cache_age_seconds")); n != 1 {
			t.Errorf("%d ages", n)
		}
		if series("fairlead_connection_state")["a live "] != 1 {
			t.Error("nothing is told of the connection")
		}
		s.caches.Remove("a")
		synctest.Wait()
		if left := series("fairlead_cache_state"); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	if _, err := NewCaches(CachesOptions{Registerer: reg}); err == nil {
		t.Error("the same metrics are registered twice")
	}
}
