package sources

import (
	"testing"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/ratelimit"
	states "github.com/fairlead-dev/fairlead/sources/member"
)

// A limit of a resource holds for members that come later, and that leave and come back, which
// finds the tokens as they were. Other clusters and resources have none of it. Its end is the end
// of the wait.
func TestStreamLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "cm")
		slow := StreamLimits{
			"m": {"configmaps": {QPS: 0.001, Burst: 2}, "wigs.example.com": {QPS: 0.001, Burst: 1}},
			"n": {"wigs.example.com": {QPS: 0.001, Burst: 1}, "configmaps": {}},
		}
		h.sources.SetStreamLimits(slow)
		a, b := &server{uid: "a", more: 2}, &server{uid: "b", more: 2}
		h.sources.Set(a.member("m"))
		h.sources.Set(b.member("n"))
		waits := func(known, observed int) {
			t.Helper()
			pass()
			for _, m := range h.sources.Status() {
				switch s := m.Streams[0]; {
				case m.Connection.Cluster == "n":
					if s.State != states.Live {
						t.Errorf("n waits with it: %+v", s)
					}
				case s.Known != known || s.Observed != uint64(observed) || s.LimitedSince.IsZero() || s.State != states.Syncing:
					t.Errorf("%d are known and %d were read, want %d and %d: %+v", s.Known, s.Observed, known, observed, s)
				}
			}
		}
		waits(2, 2)
		h.sources.Remove("m")
		pass()
		h.sources.Set(a.member("m"))
		waits(2, 0)
		slow["m"]["configmaps"] = ratelimit.Limit{QPS: 0.002, Burst: 1}
		h.sources.SetStreamLimits(slow)
		waits(2, 0)
		h.sources.SetStreamLimits(nil)
		h.wantLive("m", "n")
	})
}
