package retry

import (
	"context"
	"time"
)

// Sleep returns nil once d has passed, or the cause of ctx's end if that comes
// first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
