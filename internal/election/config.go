package election

import (
	"errors"
	"fmt"
	"time"
)

// jitter is by how much client-go stretches the retry period.
const jitter = 1.2

// Timing is when a lease is given up and taken. Validate says what fits together.
type Timing struct {
	// LeaseDuration is how long others wait, after they have last seen a renewal,
	// before they take the lease. Whole seconds: the record has no others.
	LeaseDuration time.Duration
	// RenewDeadline is the age of a renewal from which on its holder does not act
	// any more. What is under way then has until LeaseDuration to end.
	RenewDeadline time.Duration
	// RetryPeriod is the pause between two calls to the lock.
	RetryPeriod time.Duration
}

// late is the age of a renewal at which the next one is overdue: half way from the time
// that is usual to the renew deadline.
func (t Timing) late() time.Duration {
	usual := time.Duration(jitter * float64(t.RetryPeriod))
	return usual + (t.RenewDeadline-usual)/2
}

// Validate reports everything that does not fit together.
func (t Timing) Validate() error {
	var errs []error
	if t.LeaseDuration < time.Second || t.LeaseDuration%time.Second != 0 {
		errs = append(errs, fmt.Errorf("lease duration %v is no whole number of seconds from 1 on", t.LeaseDuration))
	}
	if t.RetryPeriod <= 0 {
		errs = append(errs, fmt.Errorf("retry period %v is not positive", t.RetryPeriod))
	}
	if t.RenewDeadline >= t.LeaseDuration {
		errs = append(errs, fmt.Errorf("renew deadline %v is not less than the lease duration %v, so that delivery could end too late", t.RenewDeadline, t.LeaseDuration))
	}
	if float64(t.RenewDeadline) <= jitter*float64(t.RetryPeriod) {
		errs = append(errs, fmt.Errorf("renew deadline %v is not more than %v times the retry period %v, so that one late answer would end a term", t.RenewDeadline, jitter, t.RetryPeriod))
	}
	return errors.Join(errs...)
}

// CallTimeout is how long one call to the lock may take: at most half of the renew
// deadline, so that one that hangs leaves time for another, and no longer than the
// lease lasts beyond the renew deadline, so that what a call has done is known before
// another process may lead.
func (t Timing) CallTimeout() time.Duration {
	return min(t.RenewDeadline/2, t.LeaseDuration-t.RenewDeadline)
}
