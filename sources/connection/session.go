package connection

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// Why a connection was replaced; the results of probes are the other reasons.
const (
	lostConfiguration = "configuration"
	lostIdentity      = "identity"
	lostPaused        = "paused"
)

// session is a member.Session and the means to end it.
type session struct {
	member.Session
	end func()
}

func newSession(cluster, uid string, c *clients, r *redact.Redactor) *session {
	changed, onChange, end := member.Validity()
	return &session{
		end: end,
		Session: member.Session{
			Cluster:   cluster,
			UID:       uid,
			Digest:    c.digest,
			Watches:   c.watches,
			Calls:     c.calls,
			Discovery: c.discovery,
			Redact:    r.Text,
			Changed:   changed,
			OnChange:  onChange,

			Server:         c.probes.Get().AbsPath("/").URL(),
			WatchTransport: c.watchTransport,
			CallTransport:  c.callTransport,
			Limiter:        c.calls.GetRateLimiter(),
		},
	}
}

// copyREST is rest.CopyConfig without its write into cfg.ExecProvider, which
// the copy shares; configurations of several members may share it too.
func copyREST(cfg *rest.Config) *rest.Config {
	if cfg == nil {
		return nil
	}
	own := *cfg
	if own.ExecProvider != nil {
		plugin := *own.ExecProvider
		own.ExecProvider = &plugin
	}
	return rest.CopyConfig(&own)
}

func (c *Connection) endSessionLocked() {
	if c.session != nil {
		c.session.end()
		c.session = nil
	}
}

// Acquire returns the session to dial with. It blocks while the member is not
// to be dialed: until it was first reached, while it backs off or waits for
// credentials, while it is paused, and while a probe is due because a call
// failed. The same session is returned until Changed is closed.
//
// It fails with ErrGone once Run has ended, and with ctx's error, together
// with what the connection was waiting for, when ctx ends.
func (c *Connection) Acquire(ctx context.Context) (*member.Session, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, c.waitError(context.Cause(ctx))
		}
		c.mu.Lock()
		if c.ended {
			c.mu.Unlock()
			return nil, fmt.Errorf("acquire cluster %q: %w", c.cluster, ErrGone)
		}
		if c.phase == live && !c.paused {
			s := c.session
			c.mu.Unlock()
			return &s.Session, nil
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

func (c *Connection) waitError(cause error) error {
	s := c.Status()
	detail := string(s.State)
	if s.Reason != "" {
		detail += ", " + s.Reason
	}
	if s.LastError != "" && s.Attempt > 0 {
		detail += ": " + s.LastError
	}
	return fmt.Errorf("acquire cluster %q (%s): %w", c.cluster, detail, cause)
}

// Report tells how a call with s went. If err says that the server itself may
// be in trouble (it did not answer, cut the connection, answered 401, 502, 503
// or 504), Acquire blocks until a probe has found out; reports that come
// meanwhile are part of the same suspicion. Reports about a session that has
// ended change nothing, nor does success. Report never blocks.
func (c *Connection) Report(s *member.Session, err error) {
	if _, doubtful := classify(err); !doubtful || s == nil {
		return
	}
	now := time.Now()
	c.mu.Lock()
	if c.phase != live || c.paused || c.session == nil || s != &c.session.Session {
		c.mu.Unlock()
		return
	}
	c.phase = suspect
	c.lastError, c.lastErrorAt = c.redact.Text(err), now
	c.probeSoonLocked(now)
	c.broadcastLocked()
	note := c.noteLocked(now)
	c.mu.Unlock()
	c.nudge()
	c.tell(note)
}

// SetStale tells whether a stream has been silent for too long. That is a reason
// to ask the member: it is stale until it has answered a probe, and live again
// then, whatever that one stream hears. Who acquires the session need not wait for
// that. A stream that ends clears its mark.
func (c *Connection) SetStale(stream string, stale bool) {
	now := time.Now()
	c.mu.Lock()
	if stale {
		c.stale[stream] = struct{}{}
	} else {
		delete(c.stale, stream)
	}
	ask := stale && c.phase == live && !c.paused && !c.ended
	if ask {
		c.silent = true
		c.probeSoonLocked(now)
	}
	note := c.noteLocked(now)
	c.mu.Unlock()
	if ask {
		c.nudge()
	}
	c.tell(note)
}

// probeSoonLocked makes a probe due, but no more than one per ReconnectMin.
func (c *Connection) probeSoonLocked(now time.Time) {
	c.probeAt = now
	if soonest := c.lastProbe.Add(c.config.ReconnectMin); soonest.After(now) {
		c.probeAt = soonest
	}
}

// RetryNow has a member that is not live probed as soon as it may be, as if the delay after the last
// probe were over: ReconnectMin after that one, and not before the member's turn in the fleet's line.
// Should it fail, the delays go on from where they were. It reports whether a probe comes, or is under
// way: not if the member is live or paused, or the connection has ended. It does not block.
func (c *Connection) RetryNow() bool {
	now := time.Now()
	c.mu.Lock()
	if c.ended || c.paused || c.phase == live && !c.silent {
		c.mu.Unlock()
		return false
	}
	if c.stop == nil {
		due := c.probeAt
		c.probeSoonLocked(now)
		c.probeAt = earlier(due, c.probeAt)
		c.reach.at = earlier(c.reach.at, c.probeAt)
	}
	c.mu.Unlock()
	c.nudge()
	return true
}

// SetREST gives the member new credentials or another address: the session
// ends, the backoff is forgotten, and the new configuration is tried at once.
// cfg is copied; see Options.REST.
func (c *Connection) SetREST(cfg *rest.Config) {
	r := redactorOf(cfg)
	cfg = copyREST(cfg)
	c.restart(func() bool {
		if c.session != nil {
			c.reconnects[lostConfiguration]++
		}
		c.rest, c.redact, c.plugin = cfg, r, pluginOf(cfg, c.plugin, c.pluginSays(r))
		return true
	})
}

// Pause ends the session and stops probing until Resume.
func (c *Connection) Pause() {
	c.restart(func() bool {
		if c.session != nil {
			c.reconnects[lostPaused]++
		}
		changes := !c.paused
		c.paused = true
		return changes
	})
}

// Resume undoes Pause: the member is probed at once. Without a Pause it does
// nothing.
func (c *Connection) Resume() {
	c.restart(func() bool {
		changes := c.paused
		c.paused = false
		return changes
	})
}

// restart applies a change after which nothing of the old session, nor the
// probe under way, counts any more. apply runs under the lock and tells whether
// it changed anything.
func (c *Connection) restart(apply func() bool) {
	now := time.Now()
	c.mu.Lock()
	if c.ended || !apply() {
		c.mu.Unlock()
		return
	}
	c.generation++
	if c.stop != nil {
		c.stop()
	}
	c.endSessionLocked()
	old := c.clients
	if old != nil {
		c.retired = append(c.retired, retired{clients: old, cut: now.Add(cutAfter)})
		c.clients = nil
	}
	c.phase = dialing
	c.probeAt = now
	c.liveSince, c.unreadable = time.Time{}, time.Time{}
	c.attempt = 0
	c.place, c.mustDial = place{}, false
	c.reach.forget()
	c.askVersion = true
	c.delays.Reset()
	c.broadcastLocked()
	note := c.noteLocked(now)
	c.mu.Unlock()
	if old != nil {
		old.closeIdle()
	}
	c.nudge()
	c.tell(note)
}
