// Package retry has what attempts that follow each other need: the one kind of
// backoff that Fairlead uses, which is exponential with full jitter and has no
// end, and the wait between two of them.
package retry

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// NewBackOff returns a backoff whose first delay is drawn from [0, first] and
// whose later ones are drawn from an interval that doubles up to [0, longest]
// ("full jitter": https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
// It never gives up. It is not safe for concurrent use.
func NewBackOff(first, longest time.Duration) *backoff.ExponentialBackOff {
	// The library draws from [interval-f*interval, interval+f*interval]: with
	// f = 1 and half the interval that is [0, interval].
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(max(first, 2)/2),
		backoff.WithMaxInterval(max(longest, first, 2)/2),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(1),
		backoff.WithMaxElapsedTime(0),
	)
}
