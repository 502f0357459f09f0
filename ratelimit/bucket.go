package ratelimit

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Bucket is one cluster's token bucket.
type Bucket struct {
	// unlimited spares the callers of an unlimited bucket its lock, and
	// reading the clock.
	unlimited atomic.Bool

	mu      sync.Mutex
	limiter *rate.Limiter
	latest  time.Time // of the times that Take and set were told
}

func newBucket(l Limit) *Bucket {
	b := &Bucket{limiter: rate.NewLimiter(l.rate(), l.burst())}
	b.unlimited.Store(l.QPS == 0)
	return b
}

// Unlimited reports whether Take always gives a token. It may change with the
// limit.
func (b *Bucket) Unlimited() bool { return b.unlimited.Load() }

// Take takes one token and returns 0. If there is none at now, it takes nothing and
// returns the duration, more than 0, until the next one, which another caller may take
// first. A now before that of an earlier call counts as that one.
func (b *Bucket) Take(now time.Time) (wait time.Duration) {
	if b.unlimited.Load() {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	// The limiter would take a step back in time as time to gain tokens in.
	late := now
	if now.Before(b.latest) {
		late = b.latest
	}
	b.latest = late
	if b.limiter.AllowN(late, 1) {
		return 0
	}
	seconds := (1 - b.limiter.TokensAt(late)) / float64(b.limiter.Limit())
	// One nanosecond more than the quotient, cut off: so that asking again
	// when told always finds the token there.
	if nanos := seconds * float64(time.Second); nanos < math.MaxInt64/2 {
		return max(time.Duration(nanos)+1, 1) + late.Sub(now)
	}
	return math.MaxInt64
}

// set changes the limit in place. The tokens gained so far under the old one
// stay, as far as the new burst holds them.
func (b *Bucket) set(l Limit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); now.After(b.latest) {
		b.latest = now
	}
	b.limiter.SetLimitAt(b.latest, l.rate())
	b.limiter.SetBurstAt(b.latest, l.burst())
	b.unlimited.Store(l.QPS == 0)
}
