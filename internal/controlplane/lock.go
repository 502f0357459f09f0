package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockPoll is how often a process that waits for another looks again. The kernel
// could wait for us, but would not stop for a context.
const lockPoll = 200 * time.Millisecond

// lock waits until no other process makes the same versions. The lock ends with
// unlock or with the process, and its file stays.
func (m maker) lock(ctx context.Context) (unlock func(), err error) {
	path := filepath.Join(m.cache, "."+m.versions.dirName()+".lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	for told := false; ; told = true {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil //nolint:errcheck // Nothing was written.
		}
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
		}
		if !told {
			m.say("another process is at it: waiting")
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for the process that holds %s: %w", path, ctx.Err()), file.Close())
		case <-time.After(lockPoll):
		}
	}
}
