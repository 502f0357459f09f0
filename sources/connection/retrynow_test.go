package connection

import (
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// A member that is mended is live at once if somebody says so, whatever kept it, however long.
func TestRetryNow(t *testing.T) {
	config := Config{ReconnectMin: time.Second, ReconnectMax: time.Hour}
	for name, c := range map[string]struct {
		answer answer
		state  member.State
	}{
		"it answers 503":          {gateway(503), member.BackingOff},
		"it refuses credentials":  {status(401, "Unauthorized"), member.Waiting},
		"nobody listens":          {refused, member.BackingOff},
		"it asks to be let alone": {status(429, "TooManyRequests"), member.BackingOff},
	} {
		t.Run(name, func(t *testing.T) {
			bubbleWith(t, Options{Config: config, ReconnectLimiter: NewReconnectLimiter(time.Hour)}, c.answer, func(t *testing.T, c2 *Connection, m *fakeMember) {
				time.Sleep(100*time.Hour + time.Minute)
				wantState(t, c2, c.state)
				// It is still down: one probe comes, and the delays go on.
				before := m.probed()
				if !c2.RetryNow() {
					t.Error("nothing is tried")
				}
				time.Sleep(config.ReconnectMin)
				wantState(t, c2, c.state)
				if n := m.probed() - before; n != 1 {
					t.Fatalf("%d probes, want one", n)
				}
				if next := c2.Status().NextRetry; c.state == member.Waiting && time.Until(next) < 29*time.Minute {
					t.Errorf("the next one comes in %v", time.Until(next))
				}
				m.set(nil)
				for range 100 { // however often it is asked for
					if c2.Status().State != member.Live && !c2.RetryNow() {
						t.Error("nothing is tried")
					}
				}
				time.Sleep(config.ReconnectMin)
				wantState(t, c2, member.Live)
				if n := m.probed() - before; n > 3 {
					t.Errorf("%d probes, want no more than one each second", n)
				}
			})
		})
	}
}

// Nothing is tried that does not wait.
func TestRetryNowOfWhatDoesNotWait(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, c *Connection, m *fakeMember) {
		acquire(t, c)
		before := m.probed()
		if c.RetryNow() {
			t.Error("a live one is tried")
		}
		c.Pause()
		if c.RetryNow() {
			t.Error("a paused one is tried")
		}
		synctest.Wait()
		if n := m.probed(); n != before {
			t.Errorf("%d probes more", n-before)
		}
	})
}
