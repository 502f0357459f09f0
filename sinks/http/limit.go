package httpsink

import "sync/atomic"

const (
	// leastLimit is the smallest bound of a request, in bytes.
	leastLimit = 1 << 10
	// mostLimit is a bound that is none, in bytes.
	mostLimit = 64 << 20
)

// limit is the largest body that is sent with several changes, in bytes, as the server
// has shown it: half of what it has refused as too large, and a little more after each
// success, as a proxy may have had another bound for a while.
type limit struct{ bytes atomic.Int64 }

// now returns the limit; 0: none is known.
func (l *limit) now() int { return int(l.bytes.Load()) }

// refused notes that a body was too large.
func (l *limit) refused(size int) {
	half := int64(max(size/2, leastLimit))
	for {
		old := l.bytes.Load()
		if old != 0 && old <= half || l.bytes.CompareAndSwap(old, half) {
			return
		}
	}
}

// fits notes that a body with several changes was not. Only one that is about as large as
// may be says something.
func (l *limit) fits(size, changes int) {
	old := l.bytes.Load()
	if old == 0 || changes < 2 || int64(size) < old/2 {
		return
	}
	next := old + old/64 + 1
	if next > mostLimit {
		next = 0
	}
	l.bytes.CompareAndSwap(old, next)
}
