//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package bolt

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// makeNew makes a ledger in a file that is always called the same, so that what a
// crash leaves of one is found, and removed, by the next. The lock on that file
// keeps others from it until it has the ledger's name.
func makeNew(path string) error {
	for tries := 1; ; tries++ {
		err := tryMakeNew(path)
		if !errors.Is(err, errReplaced) || tries == mostReplaced {
			return err
		}
	}
}

func tryMakeNew(path string) error {
	name := path + newSuffix
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	if err := admitNew(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, os.Remove(name), f.Close()) // nil: another process was faster
	}
	err = initialize(f, func() error { return os.Rename(name, path) })
	if err == nil {
		return nil
	}
	// The lock may be gone, and the file another's, who then begins again.
	if e := os.Remove(name); !errors.Is(e, fs.ErrNotExist) {
		return errors.Join(err, e)
	} else if errors.Is(err, fs.ErrNotExist) {
		return errReplaced // another process took this one's away, as here
	}
	return err
}

// admitNew locks the file and sees to it that it is the one with its name, and
// empty: whoever has the lock is alone, so what is in it was left by a crash.
func admitNew(f *os.File) error {
	if err := lock(f, true, lockPatience); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	named, err := os.Lstat(f.Name())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errReplaced
	case err != nil:
		return err
	case !os.SameFile(named, info):
		return errReplaced
	case !info.Mode().IsRegular():
		return errors.New(f.Name() + " is not a regular file: move it away")
	case info.Size() > 0:
		// Not truncated: the file may have other names.
		return errors.Join(errReplaced, os.Remove(f.Name()))
	}
	return nil
}
