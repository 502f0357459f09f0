package batch

import (
	"context"
	"time"

	"github.com/fairlead-dev/fairlead/internal/retry"
)

// checkMin bounds the delay after the first check that fails, and checkMax every delay; each
// may be twice as long as the one before.
const (
	checkMin = time.Second
	checkMax = 30 * time.Second
)

// Check finds out where the sink stands before there is anything to write. It calls check,
// which tries the destination without changing it, again and again, with exponential backoff
// and full jitter of at most 30 s, until that returns nil or a write has ended. Meanwhile its
// error is the sink's health, in Status, in the log and in fairlead_sink_up; once a write has
// ended, only writes say what that is. So it changes nothing of when changes are written, and
// does not tell of a destination that fails later while there is nothing to write: the next
// write does.
//
// Check returns when it is done or ctx has ended, and not while check is under way. It is
// called once, from any goroutine, also before Run. check is called from that goroutine, also
// while writes are under way. It is to bound its own time.
func (b *Batcher) Check(ctx context.Context, check func(context.Context) error) {
	delays := retry.NewBackOff(checkMin, checkMax)
	for ctx.Err() == nil && !b.isProven() {
		err := check(ctx)
		if ctx.Err() != nil && err != nil {
			return // it was broken off, which says nothing
		}
		wait := delays.NextBackOff()
		if !b.checked(err, time.Now().Add(wait)) {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-b.proven:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// isProven reports whether a write has ended that tells of the sink's health.
func (b *Batcher) isProven() bool {
	select {
	case <-b.proven:
		return true
	default:
		return false
	}
}

// checked takes in what a check has found, and when the next one is. It reports whether
// another one is of use.
func (b *Batcher) checked(reason error, next time.Time) (again bool) {
	b.mu.Lock()
	if b.isProven() {
		b.mu.Unlock()
		return false
	}
	t := b.noteLocked(reason)
	if b.nextCheck = next; reason == nil {
		b.nextCheck = time.Time{}
	}
	b.mu.Unlock()
	switch {
	case reason == nil:
		b.opts.Log.Info("Checked the sink's destination", "sink", b.name, "failedChecks", t.attempts)
	case t.happened:
		b.opts.Log.Error(reason, "The sink's destination is not ready; it is checked again, and tried with every write", "sink", b.name)
	}
	return reason != nil
}
