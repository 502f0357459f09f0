package queue

import (
	"math"
	"time"
)

// durationBounds are the upper bounds of the buckets of Durations: few, because
// there are two sets of them for every cluster.
var durationBounds = [...]time.Duration{
	time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second, 100 * time.Second,
}

// Durations is how long something took, over many times.
type Durations struct {
	// Counts are by length: up to 1 ms, up to 10 ms, and so on by tens up to
	// 100 s, and longer than that. None counts for two.
	Counts [len(durationBounds) + 1]uint64
	// Powers are the same by powers of two: Powers[0] counts those up to 2^-13 s, which is
	// 122 µs, and Powers[i] those above 2^(i-14) s and up to 2^(i-13) s. The last one has the
	// longest Duration.
	Powers [powers]uint64
	Sum    time.Duration
}

const (
	powers     = 48
	leastPower = -13 // of two, in seconds: the upper bound of the first of Powers
)

// power is the index in Powers of a duration.
func power(took time.Duration) int {
	// The float just below it has the exponent of the bucket's lower bound, also if it is the
	// upper bound itself. Below zero, which is first as well, there are no floats' bits.
	below := int64(math.Float64bits(float64(took)/1e9)) - 1
	return max(int(below>>52)-1023+1-leastPower, 0)
}

func (d *Durations) observe(took time.Duration) {
	i := 0
	for i < len(durationBounds) && took > durationBounds[i] {
		i++
	}
	d.Counts[i]++
	d.Powers[power(took)]++
	d.Sum += took
}

// Count returns how many durations there are.
func (d *Durations) Count() (n uint64) {
	for _, c := range d.Counts {
		n += c
	}
	return n
}

// stampLocked reads the clock for what is measured from now on. It is zero, which
// no other stamp is, as long as nobody has asked for durations: an item costs
// three readings.
func (q *Queue[T, K]) stampLocked() time.Duration {
	if !q.timed {
		return 0
	}
	return q.now() + 1
}

// begin notes that the work on e, which has waited, begins.
func (l *lane[T, K]) begin(e *entry[T, K], stamp time.Duration) {
	if e.since != 0 && stamp != 0 {
		l.waited.observe(stamp - e.since)
	}
	e.since, e.begun = 0, stamp
	if stamp != 0 {
		l.timed++
		l.begun += stamp
	}
}

// finish notes that the work on e is done.
func (l *lane[T, K]) finish(e *entry[T, K], stamp time.Duration) {
	if e.begun == 0 {
		return
	}
	l.worked.observe(stamp - e.begun)
	l.timed--
	l.begun -= e.begun
	e.begun = 0
}
