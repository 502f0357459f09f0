package ratelimit

import (
	"errors"
	"fmt"
	"math"

	"golang.org/x/time/rate"
)

// MinQPS is the least rate that configuration should take beside 0, which is no
// limit: one in 17 minutes. Of anything slower it would seem that nothing passes.
const MinQPS = 0.001

// Limit is how fast tokens come and how many may be saved up.
type Limit struct {
	// QPS is the number of tokens per second. Zero means unlimited.
	QPS float64
	// Burst is the most tokens a bucket holds, and what it holds at first.
	// Zero means one second's worth, at least one. It has no meaning when QPS
	// is zero.
	Burst int
}

// Validate reports what is wrong with a limit: a rate that is negative or not
// a number, or a negative burst.
func (l Limit) Validate() error {
	var errs []error
	if l.QPS < 0 || math.IsNaN(l.QPS) || math.IsInf(l.QPS, 0) {
		errs = append(errs, fmt.Errorf("rate of %v per second: must be a number that is zero (unlimited) or more", l.QPS))
	}
	if l.Burst < 0 {
		errs = append(errs, fmt.Errorf("burst of %d: must be zero (one second's worth) or more", l.Burst))
	}
	return errors.Join(errs...)
}

// String returns "unlimited", or the rate and the burst in effect as the flags
// spell them: "5:10".
func (l Limit) String() string {
	if l.QPS == 0 {
		return "unlimited"
	}
	return fmt.Sprintf("%v:%d", l.QPS, l.burst())
}

// mustBeValid panics on a limit that Validate refuses. Limits come from
// configuration, whose reader has validated them; what gets here otherwise is
// a mistake in the program, and any limit put in its place would hide it.
func (l Limit) mustBeValid() {
	if err := l.Validate(); err != nil {
		panic(fmt.Sprintf("ratelimit: %v", err))
	}
}

func (l Limit) rate() rate.Limit {
	if l.QPS == 0 {
		return rate.Inf
	}
	return rate.Limit(l.QPS)
}

func (l Limit) burst() int {
	if l.Burst > 0 {
		return l.Burst
	}
	return int(min(max(math.Ceil(l.QPS), 1), math.MaxInt32))
}
