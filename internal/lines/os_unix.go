//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package lines

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"github.com/fairlead-dev/fairlead/internal/flock"
)

// inode names a file whatever paths lead to it.
type inode struct{ device, number uint64 }

// ours are the files that this process has locked. To the kernel, its lock is as
// good as another process's.
var ours struct {
	sync.Mutex
	locked map[inode]bool
}

// lock takes the file for this process until it is closed, however the process
// ends. File systems that know no locks are used without. The caller calls release
// before it closes the file.
func lock(f *os.File) (release func(), err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return func() {}, tryLock(f)
	}
	id := inode{uint64(stat.Dev), uint64(stat.Ino)} //nolint:gosec,unconvert,nolintlint // their types differ between systems
	ours.Lock()
	defer ours.Unlock()
	if ours.locked[id] {
		return nil, errTwice
	}
	if err := tryLock(f); err != nil {
		return nil, err
	}
	if ours.locked == nil {
		ours.locked = map[inode]bool{}
	}
	ours.locked[id] = true
	return func() {
		ours.Lock()
		defer ours.Unlock()
		delete(ours.locked, id)
	}, nil
}

func tryLock(f *os.File) error {
	err := flock.Try(f, flock.Exclusive)
	switch {
	case errors.Is(err, flock.ErrLocked):
		return ErrLocked
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.ENOLCK):
		return nil
	}
	return err
}

// deleted reports whether the open file has no name any more.
func deleted(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode().IsRegular() && stat.Nlink == 0
}
