package connection

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// Run probes the member until ctx ends, then ends the session, closes every
// socket and returns nil. It can be called once. A credential plugin that
// hangs then is left behind, because it cannot be stopped.
func (c *Connection) Run(ctx context.Context) error {
	c.mu.Lock()
	if c.running || c.ended {
		c.mu.Unlock()
		return ErrRunTwice
	}
	c.running = true
	c.mu.Unlock()
	defer c.end()
	c.pace.Join(1)
	defer c.pace.Join(-1)

	timer := time.NewTimer(forever)
	defer timer.Stop()
	for ctx.Err() == nil {
		probing, cancel := context.WithTimeout(ctx, c.config.ConnectTimeout)
		a, wait := c.next(time.Now(), cancel)
		if a != nil {
			out := a.run(probing, c)
			cancel()
			if ctx.Err() != nil && a.fresh {
				a.clients.close()
			} else if ctx.Err() == nil {
				c.settle(a, out)
			}
			continue
		}
		cancel()
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-c.wake:
		case <-timer.C:
		}
	}
	return nil
}

// attempt is one probe to be made.
type attempt struct {
	generation int
	rest       *rest.Config
	plugin     *plugin
	clients    *clients        // nil: to be made
	fresh      bool            // made by this attempt
	known      ledger.Identity // so far
	others     []string        // as of the session
	version    bool            // ask for it
}

// next returns the probe that is due, whose ctx ends with cancel, or how long
// there is nothing to do. It also cuts what is left of ended sessions.
func (c *Connection) next(now time.Time, cancel context.CancelFunc) (*attempt, time.Duration) {
	c.mu.Lock()
	var cut []*clients
	wait := forever
	for len(c.retired) > 0 { // oldest first
		if left := c.retired[0].cut.Sub(now); left > 0 {
			wait = left
			break
		}
		cut = append(cut, c.retired[0].clients)
		c.retired = c.retired[1:]
	}
	var a *attempt
	if left := c.probeAt.Sub(now); c.paused {
		// Resume wakes the loop.
	} else if left = max(left, c.paceLocked(now)); left > 0 {
		wait = min(wait, left)
	} else {
		a = &attempt{generation: c.generation, rest: c.rest, plugin: c.plugin, clients: c.clients, known: c.identity, others: c.others, version: c.askVersion}
		c.stop = cancel
	}
	c.mu.Unlock()
	for _, cl := range cut {
		cl.close()
	}
	return a, wait
}

// paceLocked puts a retry that is due off to its place in the fleet's pace.
func (c *Connection) paceLocked(now time.Time) time.Duration {
	if c.attempt == 0 || c.paced || c.probeAt.After(now) {
		return 0
	}
	c.paced = true
	wait := c.pace.Wait(now)
	c.probeAt = now.Add(wait)
	return wait
}

func (a *attempt) run(ctx context.Context, c *Connection) outcome {
	if a.clients == nil {
		made, err := newClients(a.rest, a.plugin, c.limiter, c.userAgent, c.config.ConnectTimeout)
		if err != nil {
			return outcome{result: resultUnusable, err: err}
		}
		a.clients, a.fresh = made, true
	}
	out := probe(ctx, a.clients, slices.Contains(a.known.Digests, a.clients.digest), a.version)
	if out.err == nil {
		out.verdict = a.judge(ctx, c, out.seen)
	}
	return out
}

// settle takes in what a probe found, unless the configuration has changed
// meanwhile.
func (c *Connection) settle(a *attempt, out outcome) {
	now := time.Now()
	c.mu.Lock()
	c.stop = nil
	if a.generation != c.generation {
		c.mu.Unlock()
		if a.fresh {
			a.clients.close()
		}
		return
	}
	c.clients = a.clients
	c.lastProbe, c.silent = now, false
	before := c.identity.UID
	if out.hides() && !c.decidedLocked() && c.patientLocked(now) {
		c.probes[out.result]++
	} else {
		c.unreadable = time.Time{}
		c.decideLocked(now, out)
	}
	note := c.noteLocked(now)
	uid := c.identity.UID
	c.mu.Unlock()
	if out.err != nil && a.clients != nil {
		a.clients.closeIdle() // the next probe really dials
	}
	if uid != before && c.identified != nil {
		c.identified(uid)
	}
	c.tell(note)
}

// hides tells whether a server that may be another cluster has not told its UID.
func (out *outcome) hides() bool {
	return out.err == nil && out.seen.uid == "" && (out.verdict.unsure || out.verdict.identity.UID == "")
}

// decidedLocked tells whether the last probe has led to a wait of another kind.
func (c *Connection) decidedLocked() bool {
	return c.phase == waiting && (c.failure == resultUnidentified || c.failure == resultReplaced)
}

// patientLocked puts off the decision about a server that hides its UID. A new
// cluster makes its kube-system namespace a moment after it answers, and one that
// has just started forbids everything until it has read its roles. Meanwhile
// nobody gets a session.
func (c *Connection) patientLocked(now time.Time) bool {
	if c.unreadable.IsZero() {
		c.unreadable = now
	}
	end := c.unreadable.Add(digestPatience)
	if !now.Before(end) {
		return false
	}
	c.phase = dialing
	c.probeAt = now.Add(min(end.Sub(now), time.Second))
	return true
}

// decideLocked does what a probe says.
func (c *Connection) decideLocked(now time.Time, out outcome) {
	v := &out.verdict
	if out.err == nil && v.identity.UID == "" {
		v.identity.UID = nameByDigest(out.seen.digest, v.others)
	}
	switch {
	case out.err != nil:
	case v.unsure:
		out.result, out.err = resultUnidentified, errUnidentified
	case v.replaces && c.heldLocked(now, v.identity.UID):
		c.probes[resultReplaced]++
		return
	}
	c.probes[out.result]++
	if out.err != nil {
		c.failLocked(now, out)
		return
	}
	c.goodLocked(now, out)
}

func (c *Connection) goodLocked(now time.Time, out outcome) {
	before := c.identity
	c.identity, c.others, c.rival = out.verdict.identity, out.verdict.others, rival{}
	if out.version != "" {
		c.version = out.version
	}
	c.askVersion = false
	if c.session != nil && c.identity.UID != before.UID {
		c.reconnects[lostIdentity]++
		c.endSessionLocked()
	}
	if c.session == nil {
		c.session = newSession(c.cluster, c.identity.UID, c.clients, c.redact)
		c.session.Others, c.session.DefaultUID, c.session.ServiceUID = c.others, c.identity.Default, c.identity.Service
	}
	if c.liveSince.IsZero() {
		c.liveSince = now
	}
	c.phase = live
	c.attempt = 0
	c.probeAt = now.Add(spread(c.config.HealthInterval))
	c.broadcastLocked()
}

func (c *Connection) failLocked(now time.Time, out outcome) {
	if !c.liveSince.IsZero() {
		c.reconnects[out.result]++
		if now.Sub(c.liveSince) >= c.config.ReconnectMax {
			c.delays.Reset()
		}
		c.liveSince = time.Time{}
	}
	c.attempt++
	c.failure = cmp.Or(out.reason, out.result)
	c.askVersion = true
	c.lastError, c.lastErrorAt = c.redact.text(out.err), now
	delay := c.delays.NextBackOff()
	c.phase = backingOff
	if out.result == resultUnauthorized || out.result == resultUnusable || out.result == resultUnidentified {
		c.phase = waiting
		// Only the first retry is quick: a token file or a plugin may have
		// newer credentials by then. After that, guessing helps nobody.
		if c.attempt > 1 {
			delay = c.config.ReconnectMax/2 + rand.N(c.config.ReconnectMax/2+1)
		}
	}
	if out.delay > 0 { // asked for: no sooner, and not all clients at once
		delay = max(delay, out.delay+rand.N(out.delay/10+1))
	}
	c.probeAt, c.paced = now.Add(delay), false
}

// spread returns d, give or take a fifth.
func spread(d time.Duration) time.Duration { return d - d/5 + rand.N(2*(d/5)+1) }

// end is the end of Run.
func (c *Connection) end() {
	c.mu.Lock()
	c.ended = true
	c.endSessionLocked()
	all := c.retired
	if c.clients != nil {
		all = append(all, retired{clients: c.clients})
	}
	c.retired, c.clients = nil, nil
	c.broadcastLocked()
	note := c.noteLocked(time.Now())
	c.mu.Unlock()
	for _, r := range all {
		r.clients.close()
	}
	c.tell(note)
}
