//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package bolt

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// makeNew makes a ledger in a file that nobody else has a name for, because there
// is no lock that would keep others from it. A crash may leave it there.
func makeNew(path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+newSuffix+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if e := os.Remove(f.Name()); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}()
	if err := initialize(f, func() error { return nil }); err != nil {
		return err
	}
	switch err := os.Link(f.Name(), path); {
	case errors.Is(err, fs.ErrExist):
		return nil // another process was faster
	case err != nil: // there are file systems without links
		return os.Rename(f.Name(), path)
	}
	return nil
}
