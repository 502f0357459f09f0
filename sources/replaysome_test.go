package sources

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// Streams of a member that does not answer are named, within a minute together, and the rest
// of the time is there to store what has begun.
func TestReplayOfLabelsOfASilentMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "cm", "secrets")
		h.sources.Set((&server{uid: "a"}).member("m"))
		pass()
		h.wantLive("m")
		h.sources.SetPaused(Paused{Clusters: map[string]bool{"m": true}})
		pass()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		r, err := h.sources.ReplaySome(ctx, "m", "", ReplaySelector{Labels: "app=web"}, false)
		if err != nil || r.Streams != 0 || len(r.Failed) != 2 || r.Failed[0].Stream == r.Failed[1].Stream {
			t.Fatalf("%+v, %v", r, err)
		}
		if d := time.Since(began); d > listsWithin {
			t.Errorf("it took %v", d)
		}
		for _, f := range r.Failed {
			if !strings.Contains(f.Reason, "paused") {
				t.Errorf("%s: %s", f.Stream, f.Reason)
			}
		}
		if _, err := h.sources.ReplaySome(ctx, "m", "", ReplaySelector{Route: "none"}, false); !errors.Is(err, ErrUnknownRoute) {
			t.Errorf("to a route that there is not: %v", err)
		}
	})
}
