package app

import "time"

const (
	// stopGrace is what the parts of the program have together to stop, beside the
	// drain. Each needs milliseconds, but for the manager, which waits for its
	// workers.
	stopGrace = 5 * time.Second
	// leastGrace is what each part has although others have hung before it: so the
	// ledger still writes what sinks have accepted.
	leastGrace = 500 * time.Millisecond
)

// lostGrace is how long all of the program may take to stop once the lease is
// lost: it is to be gone when another process may lead.
func (s *settings) lostGrace() time.Duration {
	return min(stopGrace, s.LeaderElection.LeaseDuration-s.LeaderElection.RenewDeadline)
}

// grace waits for parts to stop, one after the other. Those that hang share one
// stopGrace, so that the program is gone before a Pod's grace is over: with n
// parts, stopGrace and n-1 times leastGrace after it was asked to stop, and the
// time of the drain.
type grace struct {
	left time.Duration
	late <-chan struct{} // closed when nothing is waited for any more
}

// await waits for the end of a part. It tells whether that came in time.
func (g *grace) await(end <-chan struct{}) bool {
	began := time.Now()
	defer func() { g.left = max(g.left-time.Since(began), 0) }()
	timer := time.NewTimer(max(g.left, leastGrace))
	defer timer.Stop()
	select {
	case <-end:
		return true
	case <-timer.C:
	case <-g.late:
	}
	select {
	case <-end: // at the same moment
		return true
	default:
		return false
	}
}
