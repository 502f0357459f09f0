package lines

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fairlead-dev/fairlead/internal/flock"
)

// Try tells whether a file in a folder can be made, kept from others with flock(2) and made
// durable with fsync(2), by doing so: it makes an empty file whose name begins with the prefix
// and ends at random, and removes it. Of a process that is killed meanwhile the file stays. A
// volume that is full is none that cannot do it.
func Try(folder, prefix string) (err error) {
	f, err := os.CreateTemp(folder, prefix+"*") // which follows no link, and opens nothing that is there
	if err != nil {
		return fmt.Errorf("make a file: %w%s", withoutPath(err), advice(err))
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if flock.Supported {
		if err := tryLocks(f); err != nil {
			return fmt.Errorf("lock a file: %w; use a volume that supports flock", err)
		}
	}
	if _, err := f.WriteString("x"); err != nil && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("write to a file: %w", withoutPath(err))
	}
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("make a file durable: %w; use a volume that supports fsync", withoutPath(err))
	}
	return nil
}

// tryLocks locks a file, and sees whether that keeps out who has opened it another time.
func tryLocks(f *os.File) (err error) {
	if err := flock.Try(f, flock.Exclusive); err != nil {
		return err
	}
	other, err := os.OpenFile(filepath.Clean(f.Name()), os.O_RDWR, 0)
	if err != nil {
		return withoutPath(err)
	}
	defer func() { err = errors.Join(err, other.Close()) }()
	switch err := flock.Try(other, flock.Exclusive); {
	case err == nil:
		return errors.New("a lock keeps nobody out")
	case !errors.Is(err, flock.ErrLocked):
		return err
	}
	return nil
}
