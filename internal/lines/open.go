package lines

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fairlead-dev/fairlead/internal/spec"
)

// ErrLocked is what OpenFile and Write wrap while another process has the file.
var ErrLocked = spec.InUse("another process appends to it")

// errTwice is no ErrLocked: see spec.ErrInUseHere.
var errTwice = spec.InUseHere("this program writes to it already: two of --sink, or --dead-letter, name one file")

// locked is a file that this process has locked.
type locked struct {
	*os.File
	release func()
}

func (l locked) Close() error {
	l.release()
	return l.File.Close()
}

// open opens the path for appending, and makes a regular file ready for it:
// locked, without an unfinished line at its end, its name durable.
func open(path, prefix string) (_ handle, regular bool, err error) {
	f, regular, err := openFile(path)
	if err != nil {
		return nil, false, fmt.Errorf("open %q: %w%s", path, withoutPath(err), advice(err))
	}
	if !regular {
		return f, false, nil
	}
	l := locked{f, func() {}}
	for _, step := range []func() error{
		func() error {
			release, err := lock(f)
			if err == nil {
				l.release = release
			}
			return err
		},
		func() error { return repair(f, prefix) },
		f.Sync,
		func() error { return syncFolder(filepath.Dir(path)) },
	} {
		if err := step(); err != nil {
			err = fmt.Errorf("open %q: %w%s", path, withoutPath(err), advice(err))
			return nil, false, errors.Join(err, l.Close())
		}
	}
	return l, true, nil
}

func openFile(path string) (f *os.File, regular bool, err error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil, false, syscall.EISDIR
	case err == nil && !info.Mode().IsRegular():
		// Non-blocking, so that a pipe that nobody reads is an error rather
		// than an end of the program.
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
	default:
		// What is written may be confidential. Whoever wants others to read the file
		// creates it with the permissions it should have.
		f, err = os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	}
	if err != nil {
		return nil, false, err
	}
	info, err = f.Stat()
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return f, info.Mode().IsRegular(), nil
}

// advice says what to do about an error of open.
func advice(err error) string {
	switch {
	case errors.Is(err, ErrLocked):
		return ": give each its own file"
	case errors.Is(err, fs.ErrNotExist):
		return ": create its folder first"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Sprintf(": let user %d write to the file and its folder, or choose another path", os.Getuid())
	case errors.Is(err, syscall.EISDIR):
		return ": name a file in it"
	case errors.Is(err, syscall.ENXIO):
		return ": nobody reads from it; start its reader first"
	}
	return ""
}

// withoutPath drops the operation and path that our own words name already.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// syncFolder makes the names in a folder durable. Folders that may be written
// to but not read cannot be synced, nor can those of some file systems.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// maxTail bounds the unfinished line that repair looks at, in bytes: a few
// times the largest object that a stream reads.
const maxTail = 64 << 20

// repair makes the file end with a line end. An unfinished last line that
// began as one of ours was cut short by a crash, and its Write never returned:
// it is removed. Anything else that ends without a line end is somebody's
// data, and gets one.
func repair(f *os.File, prefix string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	start, err := lineStart(f, size)
	if err != nil {
		return err
	}
	if start == size {
		return nil
	}
	if start >= 0 {
		tail := make([]byte, size-start)
		if _, err := f.ReadAt(tail, start); err != nil {
			return err
		}
		begun := bytes.HasPrefix(tail, []byte(prefix)) || bytes.HasPrefix([]byte(prefix), tail)
		if begun && !json.Valid(tail) {
			return f.Truncate(start)
		}
	}
	_, err = f.WriteString("\n")
	return err
}

// lineStart returns where the last line of the file begins: size itself when
// the file ends with a line end, -1 when the line is longer than maxTail.
func lineStart(f *os.File, size int64) (int64, error) {
	chunk := make([]byte, 64<<10)
	for end := size; size-end < maxTail; {
		n := min(end, int64(len(chunk)))
		if n == 0 {
			return 0, nil
		}
		if _, err := f.ReadAt(chunk[:n], end-n); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(chunk[:n], '\n'); i >= 0 {
			return end - n + int64(i) + 1, nil
		}
		end -= n
	}
	return -1, nil
}
