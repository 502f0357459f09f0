package connection

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// TestOutageMakesOneProbeAtATime: a hundred streams lose the same server.
func TestOutageMakesOneProbeAtATime(t *testing.T) {
	const streams = 100
	// The streams may all call at once.
	bubble(t, Config{QPS: 1000, Burst: 1000}, func(t *testing.T, c *Connection, m *fakeMember) {
		session := acquire(t, c)
		m.slow(time.Second)
		m.set(refused)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var good atomic.Int32
		for range streams {
			wg.Go(func() {
				for {
					s, err := c.Acquire(ctx)
					if err != nil {
						return
					}
					if s != session {
						t.Error("the outage has changed the session")
					}
					err = call(t, s)
					c.Report(s, err)
					if err == nil {
						good.Add(1)
						return
					}
				}
			})
		}
		time.Sleep(1500 * time.Millisecond) // every stream has failed once
		if m.called() != streams {
			t.Fatalf("%d calls, want one per stream", m.called())
		}
		if n := m.probed(); n != 2 { // the first one, and one for all reports
			t.Fatalf("%d probes after %d reports, want 2", n, streams)
		}
		time.Sleep(time.Hour)
		wantState(t, c, member.BackingOff)
		if m.called() != streams {
			t.Errorf("streams dialed during the outage: %d calls", m.called()-streams)
		}
		m.set(nil)
		time.Sleep(2 * DefaultReconnectMax)
		synctest.Wait()
		if good.Load() != streams {
			t.Errorf("%d of %d streams are back", good.Load(), streams)
		}
		wantState(t, c, member.Live)
		if m.most != 1 {
			t.Errorf("%d probes at once", m.most)
		}
		if m.called() != 2*streams {
			t.Errorf("%d calls, want two per stream", m.called())
		}
		if got := c.Status().Reconnects; got[resultUnreachable] != 1 || len(got) != 1 {
			t.Errorf("reconnects %v, want one", got)
		}
		cancel()
		wg.Wait()
	})
}

func TestBackoffIsBoundedAndSpread(t *testing.T) {
	config := Config{ReconnectMin: time.Second, ReconnectMax: time.Minute}
	bubbleWith(t, Options{Config: config}, gateway(503), func(t *testing.T, c *Connection, m *fakeMember) {
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		times := m.times()
		var gaps []time.Duration
		for i := range times[1:] {
			gap := times[i+1].Sub(times[i])
			if bound := min(time.Second<<min(i, 10), time.Minute); gap > bound {
				t.Fatalf("delay %d is %v, want at most %v", i+1, gap, bound)
			}
			gaps = append(gaps, gap)
		}
		late := gaps[10:]
		var sum time.Duration
		for _, g := range late {
			sum += g
		}
		mean := sum / time.Duration(len(late))
		// 2,880 draws from [0, 60s]: full jitter, not a fixed delay.
		if lo, hi := slices.Min(late), slices.Max(late); lo > time.Second || hi < 58*time.Second || mean < 27*time.Second || mean > 33*time.Second {
			t.Errorf("%d delays from %v to %v, mean %v; want them spread evenly over a minute", len(late), lo, hi, mean)
		}
		s := c.Status()
		if s.Attempt != len(times) || s.State != member.BackingOff || s.Reason != resultUnavailable || !s.NextRetry.After(time.Now()) {
			t.Errorf("status %+v after %d probes", s, len(times))
		}
	})
}

// TestBackoffResetsOnlyAfterAWhile: a server that answers one probe and then
// dies again must not be dialed as eagerly as one that failed for once.
func TestBackoffResetsOnlyAfterAWhile(t *testing.T) {
	config := Config{ReconnectMin: time.Second, ReconnectMax: time.Minute, HealthInterval: time.Hour}
	for name, liveFor := range map[string]time.Duration{"flapping": 30 * time.Second, "stable": time.Minute} {
		t.Run(name, func(t *testing.T) {
			var longest time.Duration
			for range 20 {
				bubbleWith(t, Options{Config: config}, refused, func(t *testing.T, c *Connection, m *fakeMember) {
					time.Sleep(time.Hour) // the delays have grown to their most
					m.set(nil)
					s := acquire(t, c)
					time.Sleep(liveFor)
					m.set(refused)
					c.Report(s, io.EOF)
					wantState(t, c, member.BackingOff)
					longest = max(longest, time.Until(c.Status().NextRetry))
				})
			}
			if reset := longest <= time.Second; reset != (name == "stable") {
				t.Errorf("longest delay of 20 after %v of being live: %v", liveFor, longest)
			}
		})
	}
}

func TestProbeTimesOut(t *testing.T) {
	bubbleWith(t, Options{Config: Config{ConnectTimeout: 7 * time.Second}}, silent, func(t *testing.T, c *Connection, _ *fakeMember) {
		time.Sleep(7 * time.Second)
		wantState(t, c, member.BackingOff)
		if s := c.Status(); s.Reason != resultTimeout || s.Attempt != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for _, tt := range []struct {
		name        string
		answer      answer
		least, most time.Duration
		reason      string
	}{
		{"throttled", status(429, "TooManyRequests"), 100 * time.Second, 110 * time.Second, resultThrottled},
		{"gateway", gateway(503, "Retry-After", "100"), 100 * time.Second, 110 * time.Second, resultUnavailable},
		{"throttled by a gateway", gateway(429, "Retry-After", "100"), 100 * time.Second, 110 * time.Second, resultThrottled},
		{"a lie", gateway(503, "Retry-After", "99999999"), apistatus.LongestRetryAfter, apistatus.LongestRetryAfter * 11 / 10, resultUnavailable},
		{"negative", gateway(503, "Retry-After", "-5"), 0, time.Second, resultUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubbleWith(t, Options{}, tt.answer, func(t *testing.T, c *Connection, _ *fakeMember) {
				dialed(c)
				s := c.Status()
				if d := s.NextRetry.Sub(s.LastErrorAt); d < tt.least || d > tt.most || s.Reason != tt.reason {
					t.Errorf("next probe in %v because of %q, want %v to %v, %q", d, s.Reason, tt.least, tt.most, tt.reason)
				}
			})
		})
	}
}

// gateway answers as something in front of the API server would.
func gateway(code int, header ...string) answer {
	return func(req *http.Request) (*http.Response, error) {
		return response(req, code, "text/html", "<h1>gateway</h1>", header...), nil
	}
}

// TestNoHotLoop: probes succeed while every call of a stream without any
// manners fails.
func TestNoHotLoop(t *testing.T) {
	config := Config{ReconnectMin: time.Second, QPS: 1e6, Burst: 1e6}
	bubble(t, config, func(t *testing.T, c *Connection, m *fakeMember) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		calls := 0
		for {
			s, err := c.Acquire(ctx)
			if err != nil {
				break
			}
			calls++
			c.Report(s, io.ErrUnexpectedEOF)
		}
		if n := m.probed(); n > 601 || n < 500 {
			t.Errorf("%d probes in 600s with at least 1s between", n)
		}
		if calls > 601 {
			t.Errorf("%d calls", calls)
		}
		if s := c.Status(); len(s.Reconnects) != 0 || s.Attempt != 0 {
			t.Errorf("status %+v", s)
		}
	})
}
