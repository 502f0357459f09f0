package queue

import (
	"time"

	"github.com/fairlead-dev/fairlead/ratelimit"
)

// The whole queue has a gate before those of the lanes:
//
//	lane A ── bucket A ─┐
//	lane B ── bucket B ─┴─ fair turn ── bucket of the queue ── Get
//
// Its token is known to be there before a lane is asked for one, and is taken after: so no token
// is spent in vain, of either.

// SetTotalLimit limits how many items of all clusters together are handed out per second, of
// both classes; at first there is no limit. The lanes take turns as ever, and each keeps to its
// own limit too. It panics if the limit is not valid.
func (q *Queue[T, K]) SetTotalLimit(limit ratelimit.Limit) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.limited {
		q.total.bucket = ratelimit.NewBucket(limit) // full, as every new one
	} else {
		q.total.bucket.Set(limit)
	}
	q.limited = limit.QPS > 0
	if q.total.token.set() {
		q.openLocked(&q.total, q.now())
	}
}

// TotalWait returns how long it takes until the whole queue has a token again, once one was missing; 0:
// none is, or nobody has asked for it.
func (q *Queue[T, K]) TotalWait() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.total.token.set() {
		return 0
	}
	return max(q.total.token.due-q.now(), 1)
}

// TotalThrottled returns for how long a token of the whole queue was missing, in all, and items waited
// that are not held. It only grows.
func (q *Queue[T, K]) TotalThrottled() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.total.token.set() || q.ready == 0 {
		return q.shutFor
	}
	return q.shutFor + q.now() - q.shutSince
}

// countReadyLocked adds n to the items that could be handed out. While the whole queue has no token,
// that counts as a wait only as long as there are such.
func (q *Queue[T, K]) countReadyLocked(n int) {
	before := q.ready
	q.ready += n
	if !q.total.token.set() || (before == 0) == (q.ready == 0) {
		return
	}
	if now := q.now(); q.ready == 0 {
		q.shutFor += now - q.shutSince
	} else {
		q.shutSince = now
	}
}

// mayPassLocked reports whether the whole queue, which has a limit, has a token, which it does not
// take. If not, it shuts the queue's gate until one is due.
func (q *Queue[T, K]) mayPassLocked() bool {
	g := &q.total
	if g.token.set() {
		return false
	}
	now := q.now()
	wait := g.bucket.Missing(q.epoch.Add(now))
	if wait > 0 {
		q.shutGateLocked(g, now, wait)
	}
	return wait == 0
}

// passLocked takes the token that mayPassLocked has found. Nobody else takes any.
func (q *Queue[T, K]) passLocked() { q.total.bucket.Take(q.epoch.Add(q.now())) }
