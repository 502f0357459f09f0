package connection

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/member"
)

func TestConnects(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, c *Connection, m *fakeMember) {
		s := acquire(t, c)
		if s.Cluster != "a" || s.UID != uidA || s.Discovery == nil || s.Watches == s.Calls {
			t.Errorf("session %+v", s)
		}
		if v, err := s.Discovery.ServerVersion(); err != nil || v.GitVersion != "v1.36.3" {
			t.Errorf("discovery: %v, %v", v, err)
		}
		want := Status{
			Cluster: "a", State: member.Live, Since: time.Now(), ClusterUID: uidA, ServerVersion: "v1.36.3",
			Probes: map[string]uint64{"ok": 1}, Reconnects: map[string]uint64{},
		}
		if diff := cmp.Diff(want, c.Status()); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
		h := m.headers[0]
		if h.Get("Authorization") != "Bearer top-secret-token" || !strings.HasPrefix(h.Get("User-Agent"), "fairlead/") {
			t.Errorf("headers %v", h)
		}
	})
}

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
	bubble(t, config, func(t *testing.T, c *Connection, m *fakeMember) {
		m.set(refused)
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
		if s.Attempt != len(times) || s.State != member.BackingOff || s.Reason != resultUnreachable || !s.NextRetry.After(time.Now()) {
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
				bubble(t, config, func(t *testing.T, c *Connection, m *fakeMember) {
					m.set(refused)
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

func TestSetRESTWakesAllAtOnce(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, c *Connection, m *fakeMember) {
		old := acquire(t, c)
		m.set(refused)
		c.Report(old, io.EOF)
		time.Sleep(time.Hour)
		wantState(t, c, member.BackingOff)
		var wg sync.WaitGroup
		var got sync.Map
		for range 100 {
			wg.Go(func() {
				s, err := c.Acquire(t.Context())
				if err != nil {
					t.Error(err)
				}
				got.Store(s, true)
			})
		}
		synctest.Wait()
		if isClosed(old.Changed) {
			t.Error("Changed is closed by a mere outage")
		}
		other, before := &fakeMember{}, time.Now()
		c.SetREST(other.rest())
		if !isClosed(old.Changed) {
			t.Error("Changed is not closed")
		}
		wg.Wait()
		if took := time.Since(before); took != 0 {
			t.Errorf("it took %v", took)
		}
		if len(slices.Collect(keys(&got))) != 1 || other.probed() != 1 {
			t.Errorf("sessions %v, probes %d; want one of each", slices.Collect(keys(&got)), other.probed())
		}
		if s := acquire(t, c); s == old || s.UID != uidA {
			t.Errorf("session %+v", s)
		}
		if s := c.Status(); s.Attempt != 0 || s.Reconnects[lostConfiguration] != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

func keys(m *sync.Map) func(func(any) bool) {
	return func(yield func(any) bool) { m.Range(func(k, _ any) bool { return yield(k) }) }
}

// TestSetRESTInterruptsAProbe: a black hole holds a probe for ConnectTimeout.
func TestSetRESTInterruptsAProbe(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, c *Connection, m *fakeMember) {
		m.set(silent)
		c.SetREST(m.rest())
		synctest.Wait()
		before := time.Now()
		time.Sleep(time.Second)
		wantState(t, c, member.Connecting)
		c.SetREST((&fakeMember{}).rest())
		acquire(t, c)
		if took := time.Since(before); took != time.Second {
			t.Errorf("it took %v", took-time.Second)
		}
		if got := c.Status().Probes; got[resultTimeout] != 0 || got[resultCanceled] != 0 {
			t.Errorf("the interrupted probe was counted: %v", got)
		}
	})
}

func TestProbeTimesOut(t *testing.T) {
	bubble(t, Config{ConnectTimeout: 7 * time.Second}, func(t *testing.T, c *Connection, m *fakeMember) {
		m.set(silent)
		c.SetREST(m.rest())
		time.Sleep(7 * time.Second)
		wantState(t, c, member.BackingOff)
		if s := c.Status(); s.Reason != resultTimeout || s.Attempt != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestUnauthorizedWaitsForCredentials(t *testing.T) {
	bubble(t, Config{ReconnectMax: time.Minute}, func(t *testing.T, c *Connection, m *fakeMember) {
		old := acquire(t, c)
		m.set(status(401, "Unauthorized"))
		c.Report(old, call(t, old))
		settled()
		wantState(t, c, member.Waiting)
		n := m.probed()
		time.Sleep(time.Hour)
		wantState(t, c, member.Waiting)
		if got := m.probed() - n; got < 60 || got > 121 { // half a minute to a minute apart
			t.Errorf("%d probes in an hour", got)
		}
		if s := c.Status(); s.Reason != reasonCredentials || s.NextRetry.IsZero() || s.LastError == "" {
			t.Errorf("status %+v", s)
		}
		before := time.Now()
		m.set(nil)
		c.SetREST(m.rest())
		if s := acquire(t, c); s == old || !isClosed(old.Changed) || !time.Now().Equal(before) {
			t.Errorf("session %+v after %v", s, time.Since(before))
		}
	})
}

func TestUnusableConfigurationWaits(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, c *Connection, m *fakeMember) {
		acquire(t, c)
		bad := m.rest()
		bad.Transport = nil
		bad.CAFile = "/no/such/file"
		c.SetREST(bad)
		wantState(t, c, member.Waiting)
		if s := c.Status(); s.Reason != reasonUnusable || !strings.Contains(s.LastError, "/no/such/file") {
			t.Errorf("status %+v", s)
		}
		c.SetREST(nil)
		wantState(t, c, member.Waiting)
		c.SetREST(m.rest())
		acquire(t, c)
	})
}

func TestPauseAndResume(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, c *Connection, m *fakeMember) {
		c.Resume() // nothing to undo
		old := acquire(t, c)
		c.Pause()
		c.Pause()
		wantState(t, c, member.Paused)
		if !isClosed(old.Changed) {
			t.Error("Changed is not closed")
		}
		n := m.probed()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := c.Acquire(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `"a" (paused`) {
			t.Errorf("Acquire: %v", err)
		}
		if m.probed() != n {
			t.Error("a paused member was probed")
		}
		c.SetREST(m.rest())
		time.Sleep(time.Hour)
		wantState(t, c, member.Paused)
		c.Resume()
		if s := acquire(t, c); s == old || s.UID != uidA {
			t.Errorf("session %+v", s)
		}
		if s := c.Status(); s.Reconnects[lostPaused] != 1 || s.State != member.Live {
			t.Errorf("status %+v", s)
		}
	})
}

func TestAnotherClusterMakesAnotherSession(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, c *Connection, m *fakeMember) {
		first := acquire(t, c)
		m.set(refused)
		c.Report(first, io.EOF)
		settled()
		wantState(t, c, member.BackingOff)
		m.set(nil)
		if s := acquire(t, c); s != first {
			t.Error("another session after an outage of the same cluster")
		}
		m.set(healthy(uidB))
		c.Report(first, io.ErrUnexpectedEOF)
		second := acquire(t, c)
		if second == first || second.UID != uidB || !isClosed(first.Changed) || isClosed(second.Changed) {
			t.Errorf("session %+v", second)
		}
		if s := c.Status(); s.ClusterUID != uidB || s.Reconnects[lostIdentity] != 1 {
			t.Errorf("status %+v", s)
		}
		// What is still said about the first cluster's session counts no more.
		n := m.probed()
		c.Report(first, io.EOF)
		wantState(t, c, member.Live)
		if m.probed() != n {
			t.Error("a report about an ended session made a probe")
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for _, tt := range []struct {
		name        string
		answer      func(*http.Request) (*http.Response, error)
		least, most time.Duration
		reason      string
	}{
		{"throttled", status(429, "TooManyRequests"), 100 * time.Second, 110 * time.Second, resultThrottled},
		{"gateway", gateway(503, "Retry-After", "100"), 100 * time.Second, 110 * time.Second, resultUnavailable},
		{"throttled by a gateway", gateway(429, "Retry-After", "100"), 100 * time.Second, 110 * time.Second, resultThrottled},
		{"a lie", gateway(503, "Retry-After", "99999999"), longestRetryAfter, longestRetryAfter * 11 / 10, resultUnavailable},
		{"negative", gateway(503, "Retry-After", "-5"), 0, time.Second, resultUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, c *Connection, m *fakeMember) {
				m.set(tt.answer)
				c.SetREST(m.rest())
				wantState(t, c, member.BackingOff)
				s := c.Status()
				if d := time.Until(s.NextRetry); d < tt.least || d > tt.most || s.Reason != tt.reason {
					t.Errorf("next probe in %v because of %q, want %v to %v, %q", d, s.Reason, tt.least, tt.most, tt.reason)
				}
			})
		})
	}
}

// gateway answers as something in front of the API server would.
func gateway(code int, header ...string) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		return response(req, code, "text/html", "<h1>gateway</h1>", header...), nil
	}
}

func TestStaleStreams(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, c *Connection, m *fakeMember) {
		c.SetStale("pods", true)
		wantState(t, c, member.Stale) // live by then
		c.SetStale("deployments.apps", true)
		since := c.Status().Since
		time.Sleep(time.Second)
		c.SetStale("pods", false)
		s := c.Status()
		if s.State != member.Stale || s.Reason != reasonSilent || !s.Since.Equal(since) {
			t.Errorf("status %+v", s)
		}
		if diff := cmp.Diff([]string{"deployments.apps"}, s.StaleStreams); diff != "" {
			t.Error(diff)
		}
		acquire(t, c) // does not block: silence is for the stream to deal with
		c.SetStale("deployments.apps", false)
		c.SetStale("never.heard.of", false)
		if s := c.Status(); s.State != member.Live || !s.Since.Equal(time.Now()) {
			t.Errorf("status %+v", s)
		}
	})
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

func TestReportsThatAreNoSuspicion(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, c *Connection, m *fakeMember) {
		s := acquire(t, c)
		for _, code := range []int{400, 403, 404, 409, 410, 422, 429, 500} {
			m.set(status(code, ""))
			err := call(t, s)
			if err == nil {
				t.Fatalf("%d is no error", code)
			}
			c.Report(s, err)
		}
		for _, err := range []error{nil, context.Canceled, errors.New("the frame is not JSON")} {
			c.Report(s, err)
		}
		c.Report(nil, io.EOF)
		synctest.Wait()
		if m.probed() != 1 || c.Status().State != member.Live {
			t.Errorf("%d probes, %+v", m.probed(), c.Status())
		}
	})
}

// TestHealthProbe: nobody uses the connection, and still its state is true.
func TestHealthProbe(t *testing.T) {
	bubble(t, Config{HealthInterval: 10 * time.Second}, func(t *testing.T, c *Connection, m *fakeMember) {
		s := acquire(t, c)
		time.Sleep(100 * time.Second)
		if n := m.probed(); n < 9 || n > 13 {
			t.Errorf("%d probes in 100s", n)
		}
		m.set(refused)
		time.Sleep(12 * time.Second)
		wantState(t, c, member.BackingOff)
		m.set(nil)
		if acquire(t, c) != s {
			t.Error("another session")
		}
	})
}

func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeMember{}
		c := newConnection(t, Options{REST: m.rest()})
		stop := running(t, c)
		s := acquire(t, c)
		m.set(refused)
		c.Report(s, io.EOF)
		synctest.Wait()
		go func() {
			time.Sleep(0)
			stop()
		}()
		if _, err := c.Acquire(t.Context()); !errors.Is(err, ErrGone) {
			// It may have been lucky to see a good probe; there is none here.
			t.Errorf("Acquire across the end: %v", err)
		}
		stop()
		if !isClosed(s.Changed) || c.Status().State != member.Gone {
			t.Errorf("status %+v", c.Status())
		}
		n := m.probed()
		c.SetREST(m.rest())
		c.Pause()
		c.Resume()
		c.Report(s, io.EOF)
		c.SetStale("x", true)
		time.Sleep(time.Hour)
		if m.probed() != n || c.Status().State != member.Gone {
			t.Errorf("it lives: %+v", c.Status())
		}
		if err := c.Run(t.Context()); !errors.Is(err, ErrRunTwice) {
			t.Errorf("second Run: %v", err)
		}
	})
}

// TestConcurrentUse is for the race detector; and however the operations
// interleave, the connection ends live and nothing is left behind.
func TestConcurrentUse(t *testing.T) {
	m := &fakeMember{}
	c := newConnection(t, Options{REST: m.rest(), Config: Config{
		ReconnectMin: time.Microsecond, ReconnectMax: time.Millisecond, HealthInterval: time.Millisecond, QPS: 1e6, Burst: 1e6,
	}})
	stop := running(t, c)
	defer stop()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				switch (g + i) % 8 {
				case 0:
					c.SetREST(m.rest())
				case 1:
					c.Pause()
					c.Resume()
				case 2:
					m.set(refused)
					m.set(healthy(uidB))
					m.set(nil)
				case 3:
					c.SetStale("x", i%2 == 0)
				default:
					s, err := c.Acquire(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					c.Report(s, call(t, s))
					c.Report(s, io.EOF)
					if st := c.Status(); st.Cluster != "a" || st.State == member.Gone {
						t.Errorf("status %+v", st)
					}
				}
			}
		})
	}
	wg.Wait()
	c.Resume()
	if s := acquire(t, c); s.UID != uidA && s.UID != uidB {
		t.Errorf("session %+v", s)
	}
}
