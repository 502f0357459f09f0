package queue

import (
	"math"
	"time"
)

// Two timer heaps wait for the clock: items that are delayed, and lanes whose
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
	defer q.unlock()
	now := q.now()
	q.timerDue = math.MaxInt64
	for d := q.delayed.next(); d != nil && d.due <= now; d = q.delayed.next() {
		e := d.self
		q.undelayLocked(e)
		q.joinLocked(e)
		q.mergeOffersLocked(e, false)
		q.admitLocked(e.lane)
	}
	for d := q.throttled.next(); d != nil && d.due <= now; d = q.throttled.next() {
		q.openLocked(d.self, now)
	}
	q.armLocked(now)
}

// delayLocked lets e wait until wait is over, in its lane but not in line.
func (q *Queue[T, K]) delayLocked(e *entry[T, K], wait time.Duration) {
	now := q.now()
	e.countLocked()
	e.lane.late[classOf(e.priority)]++
	e.lane.delayed.PushBack(&e.place)
	q.delayed.put(&e.when, after(now, wait))
	q.armLocked(now)
	q.mayEvictLocked(e, wait)
}

// undelayLocked takes e, that is delayed, out of its lane.
func (q *Queue[T, K]) undelayLocked(e *entry[T, K]) {
	c := classOf(e.priority)
	e.lane.depth[c]--
	e.lane.late[c]--
	e.lane.bytes[c] -= int64(e.size)
	q.delayed.remove(&e.when)
	e.place.Leave()
	q.keepLocked(e)
}

// requeue puts an item that was handed out before back into the queue after a while.
func (q *Queue[T, K]) requeue(item *T, wait time.Duration, priority int) {
	var own K
	key, hash, cluster, size := q.describe(item, &own)
	q.mu.Lock()
	kept := q.requeueLocked(item, key, hash, cluster, size, wait, priority)
	q.unlock()
	if !kept {
		// Nobody will hand it out and Forget it after.
		q.o.RateLimiter.Forget(*key)
	}
}

func (q *Queue[T, K]) requeueLocked(item *T, key *K, hash uint64, cluster string, size int, wait time.Duration, priority int) bool {
	if e := q.entries.find(hash, key); e != nil && e.working != nil && e.working.gone {
		q.discardLocked(item)
		return false // what was still in work when its cluster was removed
	}
	e, err := q.arriveLocked(key, hash, cluster)
	if err != nil {
		q.refuseLocked(item, key, hash, cluster, err)
		return false
	}
	l := e.lane
	l.added++
	l.retries++
	switch {
	case q.isOutdatedLocked(e, item), e.present() && !q.isNewer(item, &e.item):
		q.giveWayLocked(e, item, priority)
		q.hastenLocked(e, wait)
	case e.present():
		q.swapLocked(e, item, size, priority)
		q.hastenLocked(e, wait)
		q.mayEvictLocked(e, wait)
	default:
		q.takeBackLocked(e, item, size)
		e.item, e.size, e.priority = *item, size, priority
		if wait > 0 {
			q.delayLocked(e, wait)
		} else {
			q.joinLocked(e)
		}
	}
	q.mergeOffersLocked(e, false)
	q.admitLocked(l)
	return true
}

// takeBackLocked lets what was in work count no more for what comes back of it:
// that counts in the lane from now on.
func (q *Queue[T, K]) takeBackLocked(e *entry[T, K], item *T, size int) {
	if e.working == nil || q.isNewer(item, e.work) {
		return
	}
	n := min(size, e.workSize)
	e.workSize -= n
	e.working.bytes[e.workClass] -= int64(n)
	e.working.workBytes -= int64(n)
}

// hastenLocked lets e, if it is delayed, wait no longer than wait from now on.
func (q *Queue[T, K]) hastenLocked(e *entry[T, K], wait time.Duration) {
	if !e.delayed() {
		return
	}
	if wait <= 0 {
		q.undelayLocked(e)
		q.joinLocked(e)
	} else if now := q.now(); after(now, wait) < e.when.due {
		q.delayed.advance(&e.when, after(now, wait))
		q.armLocked(now)
	}
}
