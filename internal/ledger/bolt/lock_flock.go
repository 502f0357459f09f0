//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package bolt

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// lock takes the lock that bbolt takes too, which has no effect a second time
// on the same open file. Only then the file holds still to be checked.
func lock(f *os.File, exclusive bool, patience time.Duration) error {
	how := syscall.LOCK_SH
	if exclusive {
		how = syscall.LOCK_EX
	}
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) { //nolint:forbidigo // Nobody tells when another process lets go.
		switch err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return os.NewSyscallError("flock", err)
		case time.Since(start) > patience:
			return ErrLocked
		}
	}
}

// unlock does so even if the file is still mapped, which closing it does not.
func unlock(f *os.File) error {
	return os.NewSyscallError("flock", syscall.Flock(int(f.Fd()), syscall.LOCK_UN))
}
