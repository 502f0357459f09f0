package bolt

import (
	"context"
	"os"
	"time"

	"github.com/fairlead-dev/fairlead/internal/flock"
)

// lockPoll is how often it is tried again to lock the file.
const lockPoll = 20 * time.Millisecond

// lock takes the lock that bbolt takes too, which has no effect a second time
// on the same open file. Only then the file holds still to be checked. Where there
// are no such locks it leaves that to bbolt, which locks the file once it has been
// checked.
func lock(f *os.File, exclusive bool, patience time.Duration) error {
	if !flock.Supported {
		return nil
	}
	how := flock.Shared
	if exclusive {
		how = flock.Exclusive
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, ErrLocked)
	defer cancel()
	return flock.Wait(ctx, f, how, lockPoll)
}
