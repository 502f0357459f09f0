package main

import (
	"math"
	"slices"
	"time"
)

// percentile returns the smallest sample that at least p percent of all are not
// above (nearest rank), p between 0 and 100; false if there are none. It sorts
// samples.
func percentile(samples []time.Duration, p float64) (time.Duration, bool) {
	if len(samples) == 0 {
		return 0, false
	}
	slices.Sort(samples)
	rank := int(math.Ceil(p / 100 * float64(len(samples))))
	return samples[max(rank, 1)-1], true
}

// milliseconds returns the 99th percentile, with a tenth's precision; nil, which
// is null in JSON, if there are no samples.
func milliseconds(samples []time.Duration) *float64 {
	p99, ok := percentile(samples, 99)
	if !ok {
		return nil
	}
	return new(math.Round(float64(p99)/float64(100*time.Microsecond)) / 10)
}
