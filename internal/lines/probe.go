package lines

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fairlead-dev/fairlead/internal/spec"
)

// errPipe is spec.ErrNotAsked.
var errPipe = spec.NotAsked("a named pipe; not opened: its reader would see it end")

// Probe tells whether OpenFile would open the file, with its errors, and leaves the file and its
// folder as they are: it creates and repairs nothing. A file that is there is locked for a moment.
// A named pipe is not opened, as its reader would see it end then: of one that this user may
// write to, the error is spec.ErrNotAsked.
func Probe(path string) error {
	err := probe(path)
	if err != nil {
		return fmt.Errorf("open %q: %w%s", path, withoutPath(err), advice(err))
	}
	return nil
}

func probe(path string) (err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Writable(filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		return syscall.EISDIR
	}
	if info.Mode()&fs.ModeNamedPipe != 0 {
		return cmp.Or(mayWrite(path), errPipe)
	}
	mode := os.O_RDWR
	if !info.Mode().IsRegular() {
		mode = os.O_WRONLY | syscall.O_NONBLOCK
	}
	f, err := os.OpenFile(path, mode, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if !info.Mode().IsRegular() {
		return nil
	}
	release, err := lock(f)
	if err == nil {
		release()
	}
	return err
}

// Writable tells whether this user may create files in a folder, and creates none.
func Writable(folder string) error {
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "open", Path: folder, Err: syscall.ENOTDIR}
	}
	if err := access(folder); err != nil {
		return &fs.PathError{Op: "access", Path: folder, Err: err}
	}
	return nil
}
