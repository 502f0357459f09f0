package batch

import "time"

const (
	// limitWrites is how many writes succeed, at least, from one try of a size that has
	// failed to the next. Each try that fails makes it twice as many.
	limitWrites = 64
	// limitTime is how long that many writes may take, if there are more than limitWrites.
	limitTime = 10 * time.Minute
)

// limit finds the size beyond which a sink fails: of a body that a proxy accepts, or of
// what can be done before a deadline.
//
// After a failure the next write has half of the size, until one succeeds. One that succeeds with
// less than what has failed does not tell yet that size was the cause: the destination may
// have been away for a moment. So the size that failed is written once more. If it fails again, it is
// the limit. Below the limit sizes grow by an eighth with each write, as TCP's do beyond its
// threshold (RFC 5681); at the limit there is one try after a pause, which doubles with each
// that fails, and none before. A write of that size that succeeds ends the limit.
//
// Where writes fail whatever their size is, down to one that is no larger than what
// succeeds then, no size was the cause: nothing is kept small after an outage, and a limit that is
// known is tried as soon as it is over.
//
// It is not safe for concurrent use.
type limit struct {
	fails   int // the smallest size that is known to fail; 0: none
	fits    int // the largest below fails or suspect that has succeeded
	suspect int // a size that failed where less succeeded then, and is to be written again; 0: none

	lowest int // the smallest write that has failed unexpectedly since one succeeded; 0: none
	retry  int // the most that the next write may have since one has failed; 0: none has

	wait  int // writes until the limit is tried again
	waits int // how many there were from the last try on
}

// Most returns how many changes a write may have, of at most all.
func (l *limit) Most(all int) int {
	switch {
	case l.retry > 0:
		return min(l.retry, all)
	case l.suspect > 0:
		return min(l.suspect, all)
	case l.fails == 0:
		return all
	case l.wait == 0:
		return min(l.fails, all)
	}
	if more := l.fits + max(l.fits/8, 1); more < l.fails {
		return min(more, all)
	}
	return min(l.fits, all)
}

// Began tells that a write of n changes begins. There is one try of the limit at a time.
func (l *limit) Began(n int) {
	if l.fails > 0 && n >= l.fails {
		l.wait = max(l.waits, limitWrites)
	}
}

// Failed tells that a write of n changes has failed. most bounds the pause that follows, in
// writes. It reports whether that was to be expected: what is smaller is known to
// succeed, so the failure says nothing of the sink as a whole.
func (l *limit) Failed(n, most int) (expected bool) {
	again := l.suspect > 0 && n >= l.suspect
	if again {
		l.fails, l.suspect, l.waits = l.suspect, 0, 0
	}
	if l.fails > 0 && n >= l.fails {
		if l.retry == 0 { // else it began with the one that has failed
			l.waits = min(max(2*l.waits, limitWrites), max(most, limitWrites))
			l.wait, l.retry = l.waits, l.fits
		}
		return true
	}
	expected = l.fails > 0 && n > l.fits && l.lowest == 0
	if l.lowest == 0 || n < l.lowest {
		l.lowest = n
	}
	switch {
	case expected:
		l.retry = l.fits
	case n > 1: // else it was not too large
		l.retry = n / 2
	}
	return expected
}

// Wrote tells that a write of n changes has succeeded.
func (l *limit) Wrote(n int) {
	l.wait = max(l.wait-1, 0)
	if n < l.retry {
		return // so little says nothing about what has failed
	}
	l.retry = 0
	switch {
	case l.lowest > n:
		l.suspect = l.lowest
		if l.fits == 0 || l.fits >= l.lowest {
			l.fits = n
		}
	case l.lowest > 0: // the destination was away, and may be another one by now
		l.suspect, l.wait, l.waits = 0, 0, 0
	}
	l.lowest = 0
	if n >= l.suspect {
		l.suspect = 0
	}
	if n >= l.fails {
		l.fails, l.waits, l.wait = 0, 0, 0
	}
	if l.fails > 0 || l.suspect > 0 {
		l.fits = max(l.fits, n)
	} else {
		l.fits = 0
	}
}
