//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package flock

import (
	"errors"
	"os"
	"syscall"
)

// Supported says whether the operating system has these locks. A file system may
// have none all the same.
const Supported = true

// Mode is how a file is locked.
type Mode int

// Exclusive excludes all others, Shared those that are exclusive.
const (
	Exclusive Mode = syscall.LOCK_EX
	Shared    Mode = syscall.LOCK_SH
)

// Try locks f, or returns ErrLocked at once. Where the file system has no locks the
// error is or wraps errors.ErrUnsupported or syscall.ENOLCK.
func Try(f *os.File, how Mode) error {
	return flock(f, int(how)|syscall.LOCK_NB)
}

// Unlock ends the lock even if the file is still mapped, which closing it does not.
func Unlock(f *os.File) error { return flock(f, syscall.LOCK_UN) }

func flock(f *os.File, how int) error {
	for {
		switch err := syscall.Flock(int(f.Fd()), how); {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrLocked
		default:
			return os.NewSyscallError("flock", err)
		}
	}
}
