package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fairlead-dev/fairlead/internal/flock"
)

// lockPoll is how often a process that waits for another looks again.
const lockPoll = 200 * time.Millisecond

// lock waits until no other process makes the same versions. The lock ends with
// unlock or with the process, and its file stays.
func (m maker) lock(ctx context.Context) (unlock func(), err error) {
	path := filepath.Join(m.cache, "."+m.versions.dirName()+".lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	err = flock.Try(file, flock.Exclusive)
	if errors.Is(err, flock.ErrLocked) {
		m.say("another process is at it: waiting")
		err = flock.Wait(ctx, file, flock.Exclusive, lockPoll)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return func() { file.Close() }, nil //nolint:errcheck // Nothing was written.
}
