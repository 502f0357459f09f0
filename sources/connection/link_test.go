package connection

import (
	"io"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// TestLink: who looks at the connection sees every turn, and is told of it.
func TestLink(t *testing.T) {
	bubbleWith(t, Options{}, healthy(uidA), func(t *testing.T, c *Connection, m *fakeMember) {
		link := c.Link()
		expect := func(when string, state member.State, session, suspect bool) {
			t.Helper()
			if !isClosed(link.Changed) {
				t.Errorf("%s: not told", when)
			}
			link = c.Link()
			if link.State != state || (link.Session != nil) != session || link.Suspect != suspect {
				t.Errorf("%s: %+v", when, link)
			}
		}
		s := acquire(t, c)
		if link = c.Link(); link.State != member.Live || link.Session != s || isClosed(link.Changed) {
			t.Errorf("live: %+v", link)
		}
		if s.Server == nil || s.CallTransport == nil || s.WatchTransport == nil || s.Limiter == nil {
			t.Errorf("session: %+v", s)
		}
		c.SetStale("a", true)
		expect("silent", member.Stale, true, false)
		m.set(silent)
		time.Sleep(DefaultReconnectMin) // the next report is answered at once
		c.Report(s, io.EOF)
		expect("suspect", member.Stale, false, true)
		time.Sleep(DefaultConnectTimeout)
		settled()
		expect("dead", member.BackingOff, false, false)
		if link.LastError == "" {
			t.Error("dead: no error")
		}
		c.SetStale("a", false)
		m.set(healthy(uidA))
		c.SetREST(m.rest())
		expect("set", member.Connecting, false, false)
		settled()
		if link = c.Link(); link.State != member.Live || link.Session == s {
			t.Errorf("live again: %+v", link)
		}
		c.Pause()
		expect("paused", member.Paused, false, false)
	})
}
