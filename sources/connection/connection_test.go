package connection

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
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
			Probes: map[string]uint64{"ok": 1}, ReachabilityProbes: map[string]uint64{}, Reconnects: map[string]uint64{},
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

// TestSilentStreams: a stream that has fallen silent is a reason to ask the member,
// and says nothing of it once it has answered.
func TestSilentStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeMember{}
		c := newConnection(t, Options{REST: m.rest()})
		c.SetStale("events", true) // before it can have been reached
		defer running(t, c)()
		acquire(t, c)
		wantState(t, c, member.Live)
		time.Sleep(DefaultReconnectMin)

		m.slow(time.Second)
		before := m.probed()
		c.SetStale("pods", true)
		wantState(t, c, member.Stale)
		if s := c.Status(); s.Reason != reasonSilent {
			t.Errorf("status %+v", s)
		}
		acquire(t, c) // does not block: silence is for the stream to deal with
		time.Sleep(time.Second)
		wantState(t, c, member.Live)
		if n := m.probed() - before; n != 1 {
			t.Errorf("%d probes", n)
		}
		if diff := cmp.Diff([]string{"events", "pods"}, c.Status().StaleStreams); diff != "" {
			t.Error(diff)
		}
		c.SetStale("pods", false)
		c.SetStale("never.heard.of", false)
		if diff := cmp.Diff([]string{"events"}, c.Status().StaleStreams); diff != "" {
			t.Error(diff)
		}
		wantState(t, c, member.Live)

		// A member that hangs is stale until that is certain.
		time.Sleep(DefaultReconnectMin)
		m.set(silent)
		c.SetStale("pods", true)
		time.Sleep(DefaultConnectTimeout - time.Second)
		wantState(t, c, member.Stale)
		time.Sleep(2 * time.Second)
		wantState(t, c, member.BackingOff)
		m.set(nil)
		time.Sleep(time.Minute)
		wantState(t, c, member.Live)
	})
}

// TestSilentStreamsMakeNoHerd: however many fall silent, however often, there is no
// more than one probe in ReconnectMin.
func TestSilentStreamsMakeNoHerd(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, c *Connection, m *fakeMember) {
		acquire(t, c)
		began, before := time.Now(), m.probed()
		for i := range 1000 {
			c.SetStale(fmt.Sprint("stream ", i%10), true)
			time.Sleep(DefaultReconnectMin / 100)
		}
		if most := int(time.Since(began)/DefaultReconnectMin) + 1; m.probed()-before > most {
			t.Errorf("%d probes in %s", m.probed()-before, time.Since(began))
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
		go stop()
		if _, err := c.Acquire(t.Context()); !errors.Is(err, ErrGone) {
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
