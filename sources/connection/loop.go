package connection

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
)

// Run probes the member until ctx ends, then ends the session, closes every
// socket and returns nil. It can be called once. A credential plugin that runs
// then is asked to end, and killed if it has not after some seconds.
func (c *Connection) Run(ctx context.Context) error {
	c.mu.Lock()
	if c.running || c.ended {
		c.mu.Unlock()
		return ErrRunTwice
	}
	c.running = true
	c.mu.Unlock()
	defer c.end()
	c.reconnectLimiter.Join(1)
	defer c.reconnectLimiter.Join(-1)
	var dials sync.WaitGroup // at most one probe, and one reachability probe
	defer dials.Wait()
	panicked := make(chan string, 2) // that many may be under way

	timer := time.NewTimer(forever)
	defer timer.Stop()
	for ctx.Err() == nil {
		now := time.Now()
		wait := c.cutRetired(now)
		dial, left := c.next(ctx, now)
		if dial != nil {
			dials.Go(func() {
				defer func() {
					if p := recover(); p != nil {
						panicked <- fmt.Sprintf("%v\n\n%s", p, debug.Stack())
					}
				}()
				dial()
				c.nudge()
			})
			continue
		}
		timer.Reset(min(wait, left))
		select {
		case <-ctx.Done():
		case <-c.wake:
		case <-timer.C:
		case p := <-panicked:
			panic(p) // whoever called Run has to deal with that
		}
	}
	return nil
}

// cutRetired cuts what is left of ended sessions, and returns for how long
// nothing more of them is due.
func (c *Connection) cutRetired(now time.Time) time.Duration {
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
	c.mu.Unlock()
	for _, cl := range cut {
		cl.close()
	}
	return wait
}

// next returns what makes the probe or the reachability probe that is due, until
// it is done or ctx ends, or how long there is nothing to do.
func (c *Connection) next(ctx context.Context, now time.Time) (dial func(), wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused {
		return nil, forever // Resume wakes the loop
	}
	probeAt, reachAt := now.Add(forever), now.Add(forever)
	if c.stop == nil {
		probeAt = c.probeAt
		if c.reach.missed { // a member that is silent is not dialed more often for that
			probeAt = later(probeAt, c.reach.at)
		}
	}
	if c.reachingLocked() {
		reachAt = later(c.reach.at, c.reach.turn)
	}
	if left := min(probeAt.Sub(now), reachAt.Sub(now)); left > 0 {
		return nil, left
	}
	probe := !probeAt.After(now)
	if !probe {
		if c.reach.turn.IsZero() {
			c.reach.turn = now.Add(c.reconnectLimiter.reach(now))
		}
		if c.reach.turn.After(now) {
			return nil, min(probeAt.Sub(now), c.reach.turn.Sub(now))
		}
	}
	if !probe || c.dialsLocked() {
		// What a cut leads to stands in the fleet's line, each member with its next dial.
		if c.place == (place{}) {
			ahead := probe && c.attempt == 0 && now.Sub(later(c.liveSince, c.wentAhead)) >= c.config.ReconnectMax
			if ahead {
				c.wentAhead = now
			}
			c.place = c.reconnectLimiter.stand(now, ahead)
			if probe {
				c.probeAt = later(c.probeAt, c.place.at)
			}
		}
		if left := c.reconnectLimiter.left(now, &c.place); left > 0 {
			return nil, left
		}
	}
	c.place = place{}
	if !c.reach.turn.After(now) {
		c.reach.turn = time.Time{}
	}
	c.reach.at = now.Add(c.reachDelayLocked(now))
	if probe {
		return c.probeLocked(ctx), 0
	}
	return c.reachLocked(ctx), 0
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// settle takes in what a probe found, unless it counts for nothing by now.
func (c *Connection) settle(a *attempt, out outcome) {
	now := time.Now()
	c.mu.Lock()
	c.stop = nil
	if a.generation != c.generation {
		c.mu.Unlock()
		if a.clients != nil {
			a.clients.closeIdle()
		}
		return
	}
	if errors.Is(out.err, errMayNotDial) {
		c.mustDial, c.probeAt = true, now
		c.mu.Unlock()
		return
	}
	c.lastProbe, c.silent, c.mustDial, c.expiry = now, false, false, out.expiry
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
	if out.version != "" && c.redact.Clean(out.version) == out.version {
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
	c.place = place{}
	c.reach.forget()
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
	c.lastError, c.lastErrorAt = c.redact.Text(out.err), now
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
	delay = c.reach.failed(now, out, delay, c.config.ReachInterval)
	if out.delay > 0 { // asked for: no sooner, and not all clients at once
		delay = max(delay, out.delay+rand.N(out.delay/10+1))
	}
	c.probeAt = now.Add(delay)
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
	if c.plugin != nil {
		c.plugin.stop()
	}
	c.broadcastLocked()
	note := c.noteLocked(time.Now())
	c.mu.Unlock()
	for _, r := range all {
		r.clients.close()
	}
	c.tell(note)
}
