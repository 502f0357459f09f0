package sources

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/cache"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// testRounds: fifty rounds of a member leave memory where it was.
func testRounds(t *testing.T, hub, a *testenv.Cluster) {
	ns, direct := a.NewNamespace(t), clientOf(t, a)
	for i := range 200 {
		cm := configMap(ns, fmt.Sprint(i), strings.Repeat("x", 2000))
		if err := direct.Create(t.Context(), cm); err != nil {
			t.Fatal(err)
		}
	}
	m := manage(t, hub.Config(), CachesOptions{Connection: quick})
	round := func() {
		m.caches.Set(fleet.Member{Name: "a", REST: a.Config()})
		m.becomes(t, "a", cache.Live)
		m.caches.Remove("a")
		eventually(t, "removed", func() bool {
			m.caches.mu.Lock()
			defer m.caches.mu.Unlock()
			return len(m.caches.members) == 0
		})
		if m.queue.Len() != 0 {
			t.Errorf("%d requests left", m.queue.Len())
		}
	}
	heap := func() uint64 {
		m.reconciler.mu.Lock()
		clear(m.seen)
		clear(m.reads)
		m.reconciler.mu.Unlock()
		runtime.GC()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	for range 5 {
		round()
	}
	goroutines, before := runtime.NumGoroutine(), heap()
	for range 50 {
		round()
	}
	eventuallyOr(t, "goroutines", func() bool { return runtime.NumGoroutine() <= goroutines },
		func() string { return fmt.Sprintf("%d, %d before", runtime.NumGoroutine(), goroutines) })
	// One cache of these objects is 0.7 MB. An HTTP/2 connection is kept by a
	// timer of its own for half a minute after its end.
	var after uint64
	poll(t, time.Second, "heap", func() bool { after = heap(); return after < before+1<<20 },
		func() string { return fmt.Sprintf("%d KB, %d KB before", after>>10, before>>10) })
}
