package sources

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	states "github.com/fairlead-dev/fairlead/sources/member"
)

// What waits of a member is tried at once: its connection, or its streams.
func TestRetryNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := ledger.Open(t.Context(), ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := startWith(t, l, []string{"a"}, func(o *Options) {
			o.Config.Connection.ReconnectMax, o.Config.Stream.ReconnectMax = time.Hour, time.Hour
			o.Config.Connection.HealthInterval = time.Hour
		}, "cm", "secrets")
		m := &server{uid: "a", bare: true}
		h.sources.Set(m.member("m"))
		pass()
		r, err := h.sources.RetryNow("m")
		if err != nil || r.Connects || r.Connection.State != states.Live {
			t.Errorf("of a live member: %+v, %v", r, err)
		}
		if diff := cmp.Diff([]string{"secrets"}, r.Streams); diff != "" {
			t.Errorf("streams (-want +got):\n%s", diff)
		}
		m.set(func() { m.bare = false })
		if _, err := h.sources.RetryNow("m"); err != nil {
			t.Error(err)
		}
		h.wantLive("m")
		if r, err := h.sources.RetryNow("m"); err != nil || r.Connects || len(r.Streams) > 0 {
			t.Errorf("where nothing waits: %+v, %v", r, err)
		}

		n := &server{uid: "b", down: true}
		h.sources.Set(n.member("n"))
		time.Sleep(10 * time.Minute)
		n.set(func() { n.down = false })
		if r, err := h.sources.RetryNow("n"); err != nil || !r.Connects || len(r.Streams) > 0 || r.Connection.State != states.BackingOff {
			t.Errorf("of a member that does not answer: %+v, %v", r, err)
		}
		h.wantLive("m", "n")
		if _, err := h.sources.RetryNow("x"); !errors.Is(err, ErrUnknownCluster) {
			t.Errorf("of none: %v", err)
		}
	})
}
