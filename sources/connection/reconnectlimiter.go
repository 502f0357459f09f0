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
// probe or a reachability probe. It lets a fifth more through than backoff makes in
// the long run, when each member draws its delays from zero to ReconnectMax: at
// the default of a minute, a twenty-fifth of the fleet per second, and a hundredth
// at once. Members of a fleet of 200, or 200 that are down, hardly ever wait for it.
// Only the retries of failed probes are limited: a member that fails for the first
// time is probed at once, and one that fails while the whole fleet is down stands
// in line with it; so is, in the same place, one whose reachability probe is
// answered.
//
// Its methods may be called by any number of goroutines at once. A nil
// ReconnectLimiter limits nothing.
type ReconnectLimiter struct {
	perMember float64 // retries per second

	mu      sync.Mutex
	members int
	limiter *rate.Limiter
	reaches *rate.Limiter // bounds reachability probes beside; only a large fleet notices
}

const (
	reconnectHeadroom = 1.2
	// leastReconnects is how many retries per second harm nobody, and leastBurst how
	// many at once. It has room for 200 members that are asked every 5 s whether
	// they answer.
	leastReconnects = 40
	leastBurst      = 10
	// membersPerBurst is the members of which one more may retry at once.
	membersPerBurst = 100
	// mostReaches is how many reachability probes are made per second at most.
	mostReaches = 100
)

// NewReconnectLimiter returns the limiter of a fleet without members. Zero means
// DefaultReconnectMax.
func NewReconnectLimiter(reconnectMax time.Duration) *ReconnectLimiter {
	p := &ReconnectLimiter{
		perMember: reconnectHeadroom * 2 / cmp.Or(reconnectMax, DefaultReconnectMax).Seconds(),
		reaches:   rate.NewLimiter(mostReaches-leastBurst, leastBurst),
	}
	p.limiter = rate.NewLimiter(p.rates())
	return p
}

func (p *ReconnectLimiter) rates() (perSecond rate.Limit, burst int) {
	return rate.Limit(max(leastReconnects, p.perMember*float64(p.members))), max(leastBurst, p.members/membersPerBurst)
}

// Join counts n more members; fewer, if it is negative.
func (p *ReconnectLimiter) Join(n int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.members += n
	now := time.Now()
	perSecond, burst := p.rates()
	p.limiter.SetLimitAt(now, perSecond)
	p.limiter.SetBurstAt(now, burst)
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
