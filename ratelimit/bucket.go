package ratelimit

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Bucket is a token bucket: one cluster's, of Buckets, or one that NewBucket makes. Its
// methods may be called by any number of goroutines at once.
type Bucket struct {
	// unlimited spares the callers of an unlimited bucket its lock, and
	// reading the clock.
	unlimited atomic.Bool

	mu      sync.Mutex
	limiter *rate.Limiter
	latest  time.Time // of the times that Take and set were told
}

// NewBucket returns a full bucket of its own. It panics if l is not valid.
func NewBucket(l Limit) *Bucket {
	l.mustBeValid()
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
	late := b.lateLocked(now)
	if b.limiter.AllowN(late, 1) {
		return 0
	}
	return b.missingLocked(late, now)
}

// Missing returns how long after now there is a token, 0 if there is one, and takes none:
// for those who need a token of several buckets, or none of any. After 0, Take of the same
// now gives a token, if nobody else has taken it or set the limit meanwhile.
func (b *Bucket) Missing(now time.Time) (wait time.Duration) {
	if b.unlimited.Load() {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	late := b.lateLocked(now)
	if b.limiter.TokensAt(late) >= 1 {
		return 0
	}
	return b.missingLocked(late, now)
}

// Spend takes one token, also one that is not there yet: the next one is later by that. It is for
// those who have asked Missing, and find out only after that they need a token.
func (b *Bucket) Spend(now time.Time) {
	if b.unlimited.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limiter.ReserveN(b.lateLocked(now), 1)
}

// GiveBack returns a token that Take gave and that is not needed after all. A full bucket stays
// as it is.
func (b *Bucket) GiveBack(now time.Time) {
	if b.unlimited.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limiter.ReserveN(b.lateLocked(now), -1) // beyond the burst it counts for no later call
}

// lateLocked returns now, or the latest time that the bucket was told, if that is later: the
// limiter would take a step back in time as time to gain tokens in.
func (b *Bucket) lateLocked(now time.Time) time.Time {
	if now.After(b.latest) {
		b.latest = now
	}
	return b.latest
}

// missingLocked returns how long after now there is a token, if there is none at late.
func (b *Bucket) missingLocked(late, now time.Time) time.Duration {
	seconds := (1 - b.limiter.TokensAt(late)) / float64(b.limiter.Limit())
	// One nanosecond more than the quotient, cut off: so that asking again
	// when told always finds the token there.
	if nanos := seconds * float64(time.Second); nanos < math.MaxInt64/2 {
		return max(time.Duration(nanos)+1, 1) + late.Sub(now)
	}
	return math.MaxInt64
}

// Set changes the limit in place. The tokens gained so far under the old one
// stay, as far as the new burst holds them. It panics if l is not valid. For a bucket of
// Buckets, use theirs. Who waits out what Take told him under the old limit does not hear of it.
func (b *Bucket) Set(l Limit) {
	l.mustBeValid()
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); now.After(b.latest) {
		b.latest = now
	}
	b.limiter.SetLimitAt(b.latest, l.rate())
	b.limiter.SetBurstAt(b.latest, l.burst())
	b.unlimited.Store(l.QPS == 0)
}
