package sources

import (
	"testing"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	states "github.com/fairlead-dev/fairlead/sources/member"
)

// What a member may have in the ledger follows its description: it holds at once,
// and a bound that is raised lets in what was left out.
func TestQuotaIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "cm")
		h.sources.o.Config.Quota.Objects = 1
		a := &server{uid: "a", more: 2}
		m := a.member("m")
		m.Fingerprint = "same"
		want := func(known int, state states.State) {
			t.Helper()
			pass()
			s := h.sources.Status()[0].Streams[0]
			if s.Known != known || s.State != state || s.Missing != 3-known {
				t.Fatalf("status: %+v, want %d known, %s", s, known, state)
			}
		}
		h.sources.Set(m)
		want(1, states.Waiting)
		m.Limits.MaxObjects = new(2)
		h.sources.Set(m)
		want(2, states.Waiting)
		m.Limits.MaxLedgerBytes = new(int64(10)) // less than they have taken
		m.Limits.MaxObjects = new(0)
		h.sources.Set(m)
		want(2, states.Waiting)
		m.Limits = fleet.Limits{MaxObjects: new(3)}
		h.sources.Set(m)
		want(3, states.Live)
	})
}

// Limits are passed on from the start, and alone they disturb nothing.
func TestLimitsAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "cm")
		var last fleet.Limits
		told := 0
		h.sources.o.Limit = func(cluster string, l fleet.Limits) {
			if cluster != "m" {
				t.Errorf("told of %q", cluster)
			}
			last = l
			told++
		}
		a := &server{uid: "a"}
		m := a.member("m")
		m.Fingerprint = "same"
		m.Limits.Paused = true
		h.sources.Set(m)
		pass()
		if got := h.sources.Status()[0].Connection.State; got != states.Paused || len(a.asked()) != 0 || told != 1 {
			t.Errorf("paused from the start: %s, asked %v, told %d times", got, a.asked(), told)
		}
		m.Limits.Paused = false
		h.sources.Set(m)
		h.wantLive("m")

		asked := len(a.asked())
		m.Limits.Weight = new(3)
		h.sources.Set(m)
		h.wantLive("m")
		if !last.Equal(m.Limits) || len(a.asked()) != asked {
			t.Errorf("limits %+v, asked %v", last, a.asked())
		}
		m.Fingerprint = "other"
		h.sources.Set(m)
		h.wantLive("m")
		if len(a.asked()) == asked {
			t.Error("a new configuration is not in use")
		}
	})
}
