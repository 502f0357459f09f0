package connection

import (
	"cmp"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// ReconnectLimiter keeps the members of a fleet that all went down at once, because the
// hub's own network did, or the proxy that they are behind, from dialing at once, then and
// again and again: their first delays are short, so backoff alone spreads them only after
// some minutes. It is one line for all, in which each member stands with its next dial, be
// that a probe or a reachability probe. No second sees more than a twentieth of a fleet of
// 1,000 dial, at the default ReconnectMax of a minute: so the whole fleet takes 20 s
// to be dialed once, and that is half as much again as what backoff makes in the long
// run, when each member draws its delays from zero to ReconnectMax. Up to 250 members
// that are down wait no longer for the line than for their next reachability probe.
//
// In the line is what cuts lead to: the probe after one, the retries, and reachability
// probes, in whose place the probe is made that follows the first answer. A member that
// was live for ReconnectMax goes ahead of all that have failed already, and these wait for
// so much longer: so one that is cut beside a thousand that are down is probed at once.
// One that flaps stands behind them. The first probe of a member that joins, or that has
// got another configuration, and those of a live one that nobody has asked for, are not in
// the line.
//
// Its methods may be called by any number of goroutines at once. A nil
// ReconnectLimiter limits nothing.
type ReconnectLimiter struct {
	perMember float64 // dials per second

	mu      sync.Mutex
	members int
	limiter *rate.Limiter
	ahead   *rate.Limiter // of those who go ahead of the line, as fast
	passed  uint64        // how many have
	reaches *rate.Limiter // bounds reachability probes beside; only a large fleet notices
}

// place is one in the line. The zero value is none.
type place struct {
	at     time.Time
	passed uint64 // ReconnectLimiter.passed by then, or first
}

// first is passed of a place that nobody goes ahead of any more.
const first = math.MaxUint64

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
	p.limiter, p.ahead = rate.NewLimiter(p.rate(), 1), rate.NewLimiter(p.rate(), 1)
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
	now := time.Now()
	p.limiter.SetLimitAt(now, p.rate())
	p.ahead.SetLimitAt(now, p.rate())
}

// stand takes a place in the line, or ahead of it.
func (p *ReconnectLimiter) stand(now time.Time, ahead bool) place {
	if p == nil {
		return place{now, first}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := p.limiter.ReserveN(now, 1).DelayFrom(now) // those who come later wait for it in any case
	if !ahead {
		return place{now.Add(wait), p.passed}
	}
	p.passed++
	return place{now.Add(min(wait, p.ahead.ReserveN(now, 1).DelayFrom(now))), first}
}

// left returns for how long from now it is not yet the turn of a place. It puts the place
// off for those who have gone ahead of it.
func (p *ReconnectLimiter) left(now time.Time, at *place) time.Duration {
	if at.passed != first {
		p.mu.Lock()
		defer p.mu.Unlock()
		at.at = at.at.Add(time.Duration(float64(p.passed-at.passed) / float64(p.rate()) * float64(time.Second)))
		at.passed = p.passed
	}
	return at.at.Sub(now)
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
