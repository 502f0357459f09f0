package connection

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

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
		// One that does not work begins at the first attempt again.
		other.set(refused)
		c.Report(acquire(t, c), io.EOF)
		time.Sleep(time.Hour)
		m.set(silent)
		c.SetREST(m.rest())
		time.Sleep(DefaultConnectTimeout)
		wantState(t, c, member.BackingOff)
		if s := c.Status(); s.Attempt != 1 || time.Until(s.NextRetry) > DefaultReconnectMin {
			t.Errorf("status %+v", s)
		}
	})
}

func keys(m *sync.Map) func(func(any) bool) {
	return func(yield func(any) bool) { m.Range(func(k, _ any) bool { return yield(k) }) }
}

// TestSetRESTInterruptsAProbe: a black hole holds a probe for ConnectTimeout.
func TestSetRESTInterruptsAProbe(t *testing.T) {
	bubbleWith(t, Options{}, silent, func(t *testing.T, c *Connection, _ *fakeMember) {
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
