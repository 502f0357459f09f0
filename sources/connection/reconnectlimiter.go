package connection

import (
	"cmp"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// ReconnectLimiter keeps the members of a fleet that all went down at once, because the
// hub's own network did, from dialing at once again and again: their first
// delays are short, so backoff alone spreads them only after some minutes. It is
// one line for all, in which each member stands with its next dial, be that a
// probe or a reachability probe. No second sees more than a twentieth of a fleet of
// 1,000 dial, at the default ReconnectMax of a minute: so the whole fleet takes 20 s
// to be dialed once, and that is half as much again as what backoff makes in the long
// run, when each member draws its delays from zero to ReconnectMax. Up to 250 members
// that are down wait no longer for the line than for their next reachability probe.
// Only the retries of failed probes are limited: a member that fails for the first
// time is probed at once, and one that fails while the whole fleet is down stands
// in line with it; so is, in the same place, one whose reachability probe is
// answered.
//
// Its methods may be called by any number of goroutines at once. A nil
// ReconnectLimiter limits nothing.
type ReconnectLimiter struct {
	perMember float64 // dials per second

	mu      sync.Mutex
	members int
	limiter *rate.Limiter
	reaches *rate.Limiter // bounds reachability probes beside; only a large fleet notices
}

const (
	// shareDialing is the share of a fleet that may dial per second, if ReconnectMax is
	// the default; else it is in proportion. Backoff alone makes a thirtieth.
	shareDialing = 1. / 20
	// leastDialing is how many members may dial per second in any fleet: as many as of
	// 1,000 members. One that is back makes two dials, so that these are no more than
	// mostReaches.
	leastDialing = 50
	// mostReaches is how many reachability probes are made per second at most.
	mostReaches = 100
)

// NewReconnectLimiter returns the limiter of a fleet without members. Zero means
// DefaultReconnectMax.
func NewReconnectLimiter(reconnectMax time.Duration) *ReconnectLimiter {
	p := &ReconnectLimiter{
		perMember: shareDialing * float64(DefaultReconnectMax) / float64(cmp.Or(reconnectMax, DefaultReconnectMax)),
		reaches:   rate.NewLimiter(mostReaches-1, 1),
	}
	p.limiter = rate.NewLimiter(p.rate(), 1)
	return p
}

// rate leaves room for the burst of one, which a second may have beside.
func (p *ReconnectLimiter) rate() rate.Limit {
	return rate.Limit(max(leastDialing, p.perMember*float64(p.members)) - 1)
}

// Join counts n more members; fewer, if it is negative.
func (p *ReconnectLimiter) Join(n int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.members += n
	p.limiter.SetLimitAt(time.Now(), p.rate())
}

// Wait takes a place in the line of those who retry, and returns for how long
// to wait from now.
func (p *ReconnectLimiter) Wait(now time.Time) time.Duration {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limiter.ReserveN(now, 1).DelayFrom(now)
}

// reach returns for how long a reachability probe has to wait from now, beside its
// place in the line.
func (p *ReconnectLimiter) reach(now time.Time) time.Duration {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reaches.ReserveN(now, 1).DelayFrom(now)
}
