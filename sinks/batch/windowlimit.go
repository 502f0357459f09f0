package batch

import "time"

const (
	// limitWrites is how many writes succeed, at least, from one try of a size that has
	// failed to the next. Each try that fails makes it twice as many.
	limitWrites = 64
	// limitTime is after what time a limit is forgotten that has not failed again. A try is due
	// after half of it, however few writes there are.
	limitTime = 10 * time.Minute
	// limitBelow is how many writes of less succeed before a size is written again that has
	// failed twice.
	limitBelow = 8
	// limitRow is how many writes fail in a row before one has less than the smallest batch. The
	// same goes for those that fail in part. A row that long shortens the pause before the next
	// suspicion by limitPause.
	limitRow = 3
	// limitLowered is how many times less than what succeeded may fail until a size was suspected
	// without cause: at first it may have been by luck.
	limitLowered = 2
	// limitPause is how many writes there are, at least, from a size that was suspected without
	// cause to the next suspicion, and limitPauses how many at the most.
	limitPause  = 32
	limitPauses = 256
	// limitDoubts is how many times less than the limit fails, without a try of the limit that
	// does, until the limit is forgotten. What is much less counts twice. The try comes after up
	// to limitTurns writes that succeed, not always as many: what fails now and then may do so in
	// the same step.
	limitDoubts = 3
	limitTurns  = 4
	// limitCalm is how many writes succeed after such a failure before sizes grow again.
	limitCalm = 8
	// limitParts is by how much less a write has, at the least, that fails in part whatever its
	// size is.
	limitParts = 32
)

// limit finds the size beyond which a sink fails: of a body that a proxy accepts, or of
// what can be done before a deadline.
//
// After a failure the next write has half of the size, until one succeeds. That does not tell yet
// that size was the cause: what fails now and then does so as well. So the size is suspected, and
// written once more at once. If it fails again, and limitBelow writes of less succeed one after
// the other, and it fails for the third time, it is the limit. If less fails meanwhile, or the size
// succeeds, there is no suspicion for a while, which doubles each time.
//
// Below the limit sizes grow by an eighth with each write, as TCP's do beyond its threshold (RFC
// 5681); what fails then lowers the limit if it fails again after limitBelow writes of less. At the
// limit there is one try after a pause, which doubles with each that fails, and none before. A
// write of that size that succeeds ends the limit. So does time, see limitTime. When less than the
// limit fails it is tried at once, and forgotten if that is so again and again.
//
// It is not safe for concurrent use.
type limit struct {
	fails int       // the smallest size that is known to fail; 0: none
	fits  int       // the largest below fails or suspect that has succeeded
	outer int       // what fails was before it was lowered, or fails
	at    time.Time // when fails has failed last

	suspect int // a size that failed where less succeeded then; 0: none
	times   int // that it did
	below   int // writes of less, until it is written again
	lowered int // how many times it was more before

	row    int // writes that failed since one succeeded, without tries
	first  int // how many changes the first of these had
	lowest int // the smallest of these; 0: none
	retry  int // the most that the next write may have since one has failed; 0: none has

	pause  int // writes until a size may be suspected again
	pauses int // how many there were from the last suspicion on

	wait   int // writes until the limit is tried again
	waits  int // how many there were from the last try on
	doubts int // how many times less than the limit has failed since it was tried
	turn   int // how many writes there are from the next such time to the try
	calm   int // writes that succeeded since the last such time
}

// Most returns how many changes a write may have, of at most all.
func (l *limit) Most(all int) int {
	switch {
	case l.retry > 0:
		return min(l.retry, all)
	case l.suspect > 0 && l.below > 0:
		return min(l.fits, all)
	case l.suspect > 0:
		return min(l.suspect, all)
	case l.fails == 0:
		return all
	case l.wait == 0:
		return min(l.fails, all)
	}
	if more := l.fits + max(l.fits/8, 1); more < l.fails && l.calm >= limitCalm {
		return min(more, all)
	}
	return min(l.fits, all)
}

// Began tells that a write of n changes begins. There is one try at a time.
func (l *limit) Began(n int) {
	if l.fails > 0 && n >= l.fails {
		l.wait = max(l.waits, limitWrites)
	}
	if l.suspect > 0 && n >= l.suspect && l.times > 1 {
		l.below = max(l.below, limitBelow)
	}
}

// Failed tells that a write of n changes has failed. least is the smallest batch, of which
// there is no less before limitRow writes have failed, and most bounds the pause that
// follows, in writes. It reports whether that was to be expected: it was a try of the limit.
func (l *limit) Failed(n, least, most int, now time.Time) (expected bool) {
	l.expire(now)
	if l.isTry(n, most, now) {
		return true
	}
	l.note(n)
	switch {
	case l.knows(n):
		l.retry = l.fits
	case n/2 >= least || l.row >= limitRow:
		l.retry = max(n/2, 1)
	default:
		l.retry = l.atMost(least)
	}
	return false
}

// FailedInPart is Failed where some of n changes were accepted. That need not have to do with
// size at all, so that little is tried before it is taken for granted.
func (l *limit) FailedInPart(n, least, most int, now time.Time) (expected bool) {
	l.expire(now)
	if l.isTry(n, most, now) {
		return true
	}
	if l.pause > 0 && l.fails == 0 {
		return false
	}
	l.note(n)
	switch {
	case l.knows(n):
		l.retry = l.fits
	case n == 1 || n < l.first/limitParts:
		l.retry, l.row, l.lowest = 0, 0, 0
		l.forget()
	case l.row >= limitRow:
		l.retry = n / 2
	default:
		l.retry = l.atMost(max(n, least))
	}
	return false
}

// Paused tells that the destination has asked for a pause when it got n changes, which
// says nothing about their number. The next write has no more than half nevertheless, and
// no less than least.
func (l *limit) Paused(n, least int) {
	if l.lowest > 0 {
		return
	}
	l.retry = l.atMost(max(n/2, least))
}

// atMost returns n, or what is known to succeed, if that is less.
func (l *limit) atMost(n int) int {
	if l.fails > 0 || l.suspect > 0 {
		return min(n, l.fits)
	}
	return n
}

// isTry tells whether a failed write was a try of the limit, and takes it in.
func (l *limit) isTry(n, most int, now time.Time) bool {
	if l.fails == 0 || n < l.fails {
		return false
	}
	l.at, l.pauses, l.doubts = now, 0, 0
	if l.retry == 0 { // else it began with the one that has failed
		l.waits = min(max(2*l.waits, limitWrites), max(most, limitWrites))
		l.wait, l.retry = l.waits, l.fits
	}
	return true
}

// knows tells whether less than n succeeds, as far as is known.
func (l *limit) knows(n int) bool {
	return l.lowest > l.fits && n > l.fits && (l.fails > 0 || l.suspect > 0)
}

// note takes in an unexpected failure.
func (l *limit) note(n int) {
	l.pause = max(l.pause-1, 0)
	switch l.row++; l.row {
	case 1:
		l.first = n
	case limitRow: // as is seldom where writes fail now and then
		l.pause, l.pauses = max(l.pause-limitPause, 0), l.pauses/2
	}
	if l.lowest == 0 || n < l.lowest {
		l.lowest = n
	}
}

// Wrote tells that a write of n changes has succeeded.
func (l *limit) Wrote(n int, now time.Time) {
	l.wait, l.pause = max(l.wait-1, 0), max(l.pause-1, 0)
	l.calm++
	l.expire(now)
	if n < l.retry {
		return // so little says nothing about what has failed
	}
	failed := l.lowest
	l.retry, l.row, l.lowest = 0, 0, 0
	l.below = max(l.below-1, 0)
	switch {
	case n >= l.fails && l.fails > 0:
		l.suspect, l.waits, l.wait, l.doubts = 0, 0, 0, 0
		if l.fails = l.outer; n >= l.outer {
			l.fails, l.outer = 0, 0
		}
	case n >= l.suspect && l.suspect > 0:
		l.forget()
	case failed > 0:
		l.after(failed, n, now)
	}
	if l.fails > 0 || l.suspect > 0 {
		l.fits = max(l.fits, n)
	} else {
		l.fits = 0
	}
}

// after takes in that n changes have succeeded after writes that had failed, the smallest
// of them of so many.
func (l *limit) after(failed, n int, now time.Time) {
	isKnown := l.fails > 0 || l.suspect > 0
	switch {
	case isKnown && failed <= l.fits:
		// It was not for the size, or the destination was away, or what it takes varies.
		if l.fails == 0 {
			if l.lowered++; failed <= n || l.lowered > limitLowered {
				l.forget()
				return
			}
			l.suspect, l.times, l.below, l.fits = failed, 1, 0, n
			return
		}
		l.suspect, l.wait, l.calm = 0, l.turn, 0
		l.turn = (l.turn + 1) % limitTurns
		if failed <= l.fits/2 {
			l.doubts += 2
		} else {
			l.doubts++
			l.fits = max(failed-max(failed/8, 1), n)
		}
		if l.doubts >= limitDoubts {
			l.fails, l.outer, l.doubts = 0, 0, 0
			l.suspect, l.times, l.below, l.fits = failed, 1, 0, n
		}
	case failed <= n:
		// Nothing that can be said of a size.
	case l.suspect > 0 && failed >= l.suspect:
		l.times, l.below = l.times+1, limitBelow
		if enough := 3; l.times >= enough || l.fails > 0 {
			l.fails, l.suspect, l.at = l.suspect, 0, now
			l.outer, l.lowered = max(l.outer, l.fails), 0
			l.waits, l.wait, l.doubts = limitWrites, limitWrites, 0
		}
	case l.fails > 0:
		l.suspect, l.times, l.below = failed, 1, limitBelow
	case l.suspect > 0 || l.pause == 0:
		l.suspect, l.times, l.below, l.fits = failed, 1, 0, n
	}
}

// forget ends a suspicion without cause. There is none for a while.
func (l *limit) forget() {
	l.suspect, l.times, l.below, l.lowered = 0, 0, 0, 0
	if l.fails > 0 {
		return
	}
	l.fits, l.doubts = 0, 0
	l.pauses = min(max(2*l.pauses, limitPause), limitPauses)
	l.pause = l.pauses
}

// expire forgets a limit that has not failed for long, and has it tried before.
func (l *limit) expire(now time.Time) {
	switch {
	case l.fails == 0:
	case now.Sub(l.at) > limitTime:
		l.fails, l.outer, l.fits, l.suspect, l.doubts = 0, 0, 0, 0, 0
	case now.Sub(l.at) > limitTime/2:
		l.wait = 0
	}
}
