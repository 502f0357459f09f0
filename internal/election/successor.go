package election

import (
	"context"
	"time"
)

// Successor waits, once Run has returned, until another process leads, and returns who. It is
// for a leader that gives way and is started again at once: it would be the first to take the
// lease that it has released. Successor looks once in a retry period. It returns "" if ctx ends
// before, or the lease duration is over: then nobody waits for the lease.
func (e *Election) Successor(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, e.timing.LeaseDuration)
	defer cancel()
	tick := time.NewTicker(e.timing.RetryPeriod)
	defer tick.Stop()
	for {
		record, _, err := e.lock.Get(ctx)
		if err == nil && record.HolderIdentity != "" && record.HolderIdentity != e.lock.Identity() {
			return printable(record.HolderIdentity)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ""
		}
	}
}
