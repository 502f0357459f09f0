package stream

import (
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// Whoever has given the rights need not wait for the next attempt, and comes no sooner than
// ReconnectMin after the last one.
func TestRetryNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.call("streaming list").reply(403, status(403, "Forbidden", "no"))
		synctest.Wait()
		for attempt := 1; attempt < 4; attempt++ {
			st := h.wantState(member.Waiting)
			if left := time.Until(st.NextRetry); left < h.opts.Config.WithDefaults().ReconnectMax/2-time.Second || st.Attempt != attempt {
				t.Fatalf("attempt %d, the next one in %v", st.Attempt, left)
			}
			asked := time.Now()
			for range 10 {
				if !h.stream.RetryNow() {
					t.Error("nothing waits")
				}
				synctest.Wait()
			}
			if left := time.Until(h.wantState(member.Waiting).NextRetry); left > h.opts.Config.WithDefaults().ReconnectMin {
				t.Errorf("the next one comes in %v", left)
			}
			h.call("list by 1").reply(403, status(403, "Forbidden", "no"))
			if after := time.Since(asked); after != h.opts.Config.WithDefaults().ReconnectMin {
				t.Errorf("an attempt comes after %v", after)
			}
			synctest.Wait()
		}
		time.Sleep(h.opts.Config.WithDefaults().ReconnectMin)
		if !h.stream.RetryNow() {
			t.Error("nothing waits")
		}
		asked := time.Now()
		h.call("list by 1").reply(200, listOf(5, ""))
		if after := time.Since(asked); after != 0 {
			t.Errorf("an attempt comes after %v", after)
		}
		h.live()
		if h.stream.RetryNow() {
			t.Error("a live stream waits")
		}
	})
}
