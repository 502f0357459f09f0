package pipeline

import (
	"math"
	"time"
)

// Two agendas wait for the clock: items that are delayed, and lanes whose
// bucket is empty. One runtime timer serves both; it is set to whatever comes
// first. If that is put off or taken away the timer fires for nothing, which
// costs less than setting it anew each time.

// now reads the queue's clock: the time since the queue was made.
func (q *Queue[T, K]) now() time.Duration { return time.Since(q.epoch) }

// after adds a wait to a time on the queue's clock; the end of time is as far
// as it goes.
func after(now, wait time.Duration) time.Duration {
	if wait > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + wait
}

// armLocked sees to it that the timer fires no later than the first date.
func (q *Queue[T, K]) armLocked(now time.Duration) {
	due := time.Duration(math.MaxInt64)
	if d := q.delayed.next(); d != nil {
		due = d.due
	}
	if d := q.throttled.next(); d != nil {
		due = min(due, d.due)
	}
	if due == math.MaxInt64 || due >= q.timerDue {
		return
	}
	q.timerDue = due
	if q.timer == nil {
		q.timer = time.AfterFunc(due-now, q.tick)
		return
	}
	q.timer.Reset(due - now)
}

// tick is what the timer calls.
func (q *Queue[T, K]) tick() {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	q.timerDue = math.MaxInt64
	for d := q.delayed.next(); d != nil && d.due <= now; d = q.delayed.next() {
		e := d.self
		q.undelayLocked(e)
		q.returnLocked(e)
		q.admitLocked(e.lane)
	}
	for d := q.throttled.next(); d != nil && d.due <= now; d = q.throttled.next() {
		q.unthrottleLocked(d.self, now)
	}
	q.armLocked(now)
}

// delayLocked lets e wait until wait is over, in its lane but not in line.
func (q *Queue[T, K]) delayLocked(e *entry[T, K], wait time.Duration) {
	now := q.now()
	e.lane.delayed.pushBack(&e.place)
	q.delayed.put(&e.when, after(now, wait))
	q.armLocked(now)
}

func (q *Queue[T, K]) undelayLocked(e *entry[T, K]) {
	q.delayed.remove(&e.when)
	e.place.leave()
}

// returnLocked lets an item that was brought back wait in its lane. Items of
// the same identity that stand blocked in Offer are newer, and replace it.
func (q *Queue[T, K]) returnLocked(e *entry[T, K]) {
	q.joinLocked(e)
	if e.blocked.n > 0 {
		q.admitGroupLocked(e)
	}
}

// bringBack lets an item that was handed out before wait again after a while.
// It never replaces another item of its identity: that one is newer.
func (q *Queue[T, K]) bringBack(item *T, wait time.Duration, priority int) {
	var own K
	key, hash, cluster, size := q.describe(item, &own)
	q.mu.Lock()
	kept := q.bringBackLocked(item, key, hash, cluster, size, wait, priority)
	q.mu.Unlock()
	if !kept {
		// Nobody will hand it out and Forget it after.
		q.o.RateLimiter.Forget(*key)
	}
}

func (q *Queue[T, K]) bringBackLocked(item *T, key *K, hash uint64, cluster string, size int, wait time.Duration, priority int) bool {
	if e := q.entries.find(hash, key); e != nil && e.working != nil && e.working.gone {
		return false // what was still in work when its cluster was removed
	}
	e, err := q.arriveLocked(key, hash, cluster)
	if err != nil {
		q.refuseLocked(key, hash, cluster, err)
		return false
	}
	l := e.lane
	l.added++
	l.retries++
	switch {
	case e.waiting():
		l.coalesced++
		q.raiseLocked(e, priority)
	case e.delayed():
		l.coalesced++
		e.priority = max(e.priority, priority)
		if wait <= 0 {
			q.undelayLocked(e)
			q.returnLocked(e)
		} else if now := q.now(); after(now, wait) < e.when.due {
			q.delayed.advance(&e.when, after(now, wait))
			q.armLocked(now)
		}
	default:
		e.item, e.size, e.priority = *item, size, priority
		if wait > 0 {
			q.delayLocked(e, wait)
		} else {
			q.returnLocked(e)
		}
	}
	q.admitLocked(l)
	return true
}
