package flock

import (
	"context"
	"errors"
	"os"
	"time"
)

// ErrLocked is returned while someone else has a lock that excludes the one that was
// asked for.
var ErrLocked = errors.New("another process has locked it")

// Wait is Try until it succeeds, fails otherwise than with ErrLocked, or ctx ends,
// whose cause it returns then. It tries at least once, and then each time that the
// duration every, which must be positive, has passed: the kernel could wait for us,
// but would not stop for a context.
func Wait(ctx context.Context, f *os.File, how Mode, every time.Duration) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := Try(f, how); !errors.Is(err, ErrLocked) {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
