package sources

import (
	"testing"
	"testing/synctest"

	states "github.com/fairlead-dev/fairlead/internal/member"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

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
