package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strings"
	"syscall"

	berrors "go.etcd.io/bbolt/errors"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// The errors that Open wraps, apart from ledger.ErrCorrupt and those of the
// file system.
var (
	// ErrLocked: another process has the file.
	ErrLocked = ledger.ErrLocked
	// ErrNewer: the file was written by a newer program.
	ErrNewer = errors.New("written by a newer version")
)

// guard turns a panic over a damaged file, and a fault where the file has
// become shorter than its mapping, into an error.
func guard(work func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %w: %v", ledger.ErrCorrupt, errPanicked, p)
		}
	}()
	return work()
}

// errPanicked: bbolt may hold its locks for ever.
var errPanicked = errors.New("it changed or broke while it was in use")

// explain says what an error means and what to do about it.
func explain(err error) error {
	var advice string
	switch {
	case err == nil, errors.Is(err, ErrNewer):
		return err
	case errors.Is(err, ErrLocked), errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%w: end that one first, or give each its own ledger", ErrLocked)
	case errors.Is(err, ledger.ErrCorrupt):
		advice = "it is no ledger, or it is damaged: restore it from a backup; or move it away to start afresh: " +
			"everything is then delivered again, and what was deleted meanwhile is not noticed"
	case is(err, syscall.ENOSPC), is(err, syscall.EDQUOT), is(err, syscall.EFBIG):
		advice = "make room; nothing is lost meanwhile"
	case errors.Is(err, syscall.EISDIR):
		advice = "that is a folder: name a file in it"
	case errors.Is(err, syscall.EROFS):
		advice = "choose a path on a volume that can be written"
	case errors.Is(err, fs.ErrPermission):
		advice = "give this user the right to read and write the file and its folder, or choose another path"
	case errors.Is(err, fs.ErrNotExist):
		advice = "check the path"
	default:
		return err
	}
	return fmt.Errorf("%w (%s)", err, advice)
}

// is tells an error of the file system also where bbolt has only kept its text.
func is(err error, no syscall.Errno) bool {
	return errors.Is(err, no) || strings.Contains(err.Error(), no.Error())
}
