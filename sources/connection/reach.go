package connection

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// A reachability probe asks whether anybody answers at a member's address, see
// clients.reach. It is so cheap that a member that does not answer is asked every
// few seconds, while its probes keep to their backoff. The first answer after the
// silence makes a probe at once: that is how an outage ends soon after it is mended,
// however long it was. A member that answers, whatever it says, is left to backoff.

// longOutage is which part of a silence may pass until the next reachability probe:
// at the default of 5 s, one that has lasted for 10 minutes is asked more rarely.
const longOutage = 120

// Results of reachability probes, as the metrics name them.
const (
	reachAnswered   = "answered"
	reachUnanswered = "unanswered"
)

var reachResults = []string{reachAnswered, reachUnanswered}

// reach is what reachability probes have found since the member was live.
type reach struct {
	at     time.Time          // when the next one may begin; each dial puts it off
	turn   time.Time          // when the fleet lets it
	stop   context.CancelFunc // of the one under way, or nil
	wanted bool               // the last probe had no answer, nor had any reachability probe since
	silent time.Time          // since when nobody has answered; zero: somebody has
	missed bool               // the last one failed
	heard  bool               // the last one was answered
	back   bool               // a probe is made because the silence has ended
}

// forget ends the one under way and all that they have found.
func (r *reach) forget() {
	if r.stop != nil {
		r.stop()
	}
	*r = reach{at: r.at, turn: r.turn, stop: r.stop}
}

// failed takes in what a probe found that failed, and returns the delay until the
// next one: the given one, but no more than interval if a server that has just come
// back is not ready yet.
func (r *reach) failed(now time.Time, out outcome, delay, interval time.Duration) time.Duration {
	plugin, back := out.result == resultPlugin, r.back || !r.silent.IsZero()
	switch {
	case !plugin && !noAnswer(out.err):
		r.forget()
		if back && out.result == resultUnavailable {
			return min(delay, interval)
		}
		return delay
	case !plugin:
		r.quiet(now)
	case !r.missed:
		// As long as the member answers this is between us and the plugin. But a
		// plugin needs a network, too.
		r.heard = true
	}
	r.wanted, r.back = true, false
	return delay
}

// quiet notes that there was no answer.
func (r *reach) quiet(now time.Time) {
	if r.silent.IsZero() {
		r.silent = now
	}
}

// reachingLocked tells whether reachability probes are called for: while the
// member is silent, and while a probe hangs of one that is in doubt.
func (c *Connection) reachingLocked() bool {
	switch {
	case c.clients == nil, c.reach.stop != nil:
		return false
	case c.stop != nil:
		state, _ := c.stateLocked()
		return state != member.Live && !c.reach.heard
	}
	return c.phase == backingOff && c.reach.wanted
}

// reachDelayLocked returns how long after a dial the next reachability probe may
// begin. The jitter spreads a fleet.
func (c *Connection) reachDelayLocked(now time.Time) time.Duration {
	every := c.config.ReachInterval
	if !c.reach.silent.IsZero() {
		every = max(every, min(now.Sub(c.reach.silent)/longOutage, c.config.ReconnectMax))
	}
	return every + rand.N(every/10+1)
}

// reachLocked begins a reachability probe and returns what makes it. It is over
// before the next one is due.
func (c *Connection) reachLocked(ctx context.Context) func() {
	ctx, cancel := context.WithTimeout(ctx, min(c.config.ReachInterval*4/5, c.config.ConnectTimeout))
	c.reach.stop = cancel
	generation, clients := c.generation, c.clients
	return func() {
		defer cancel()
		err := clients.reach(ctx)
		c.mu.Lock()
		c.reach.stop = nil
		var replaced context.CancelFunc
		if generation == c.generation && !errors.Is(ctx.Err(), context.Canceled) {
			replaced = c.settleReachLocked(time.Now(), !noAnswer(err))
		}
		c.mu.Unlock()
		if replaced != nil {
			// It has hung for that long. What has been silent as long on the same way is dead, too.
			clients.dialer.cutSilent(time.Now().Add(-c.config.ReachInterval))
			replaced()
		}
	}
}

// settleReachLocked takes in what a reachability probe found. It returns what ends a probe that
// is to be replaced, or nil.
func (c *Connection) settleReachLocked(now time.Time, answered bool) (replaced context.CancelFunc) {
	r := &c.reach
	if !answered {
		c.reached[reachUnanswered]++
		r.quiet(now)
		r.missed, r.heard = true, false
		return nil
	}
	c.reached[reachAnswered]++
	known, hangs := r.heard, c.stop != nil
	r.wanted, r.silent, r.missed, r.heard = false, time.Time{}, false, true
	if known {
		return nil // nothing has changed; a server may just be slow
	}
	if hangs { // it may have been sent into a silence, and not notice for long that this is over
		c.generation++
		c.mustDial = true
		replaced = c.stop
	}
	r.back = true
	c.probeAt, c.place = now, place{now, first} // in the place of this one
	return replaced
}
