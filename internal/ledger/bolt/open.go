package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// format is the number of the layout described in the package's comment.
const format = 1

var (
	metaBucket    = []byte("fairlead")
	formatKey     = []byte("format")
	sumKey        = []byte("sum")
	cursorsBucket = []byte("cursors")
	headKey       = []byte("head")
	recordsBucket = []byte("records")
)

// lockPatience is how long Open waits for another process to end: longer than
// a restart under a supervisor overlaps, shorter than anybody's patience.
const lockPatience = 3 * time.Second

// Open opens the ledger at path, and makes it if nothing is there. Its folder
// must exist.
func Open(path string) (*Store, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, fmt.Errorf("make ledger %s: %w", path, explain(err))
		}
	}
	return OpenExisting(path, false)
}

// OpenExisting opens a ledger that must be there; readOnly for a look.
func OpenExisting(path string, readOnly bool) (*Store, error) {
	s := &Store{path: path}
	if err := s.open(readOnly); err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", path, explain(err))
	}
	return s, nil
}

func (s *Store) open(readOnly bool) error {
	for tries := 1; ; tries++ {
		err := s.tryOpen(readOnly)
		if !errors.Is(err, errReplaced) || tries == mostReplaced {
			return err
		}
	}
}

// mostReplaced is how often a file may be replaced while Open waits for it.
// There are file systems on which a file never is the one with its name.
const mostReplaced = 10

// errReplaced: while Open waited for the lock, another file took this one's
// name, as Compact does. What is written to the old one is gone with it.
var errReplaced = errors.New("another file has its name now")

func (s *Store) tryOpen(readOnly bool) error {
	err := guard(func() (err error) {
		s.db, err = bbolt.Open(s.path, 0o600, &bbolt.Options{
			Timeout:      lockPatience,
			FreelistType: bbolt.FreelistMapType,
			NoStatistics: true,
			ReadOnly:     readOnly,
			OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
				if err := isFile(name); err != nil {
					return nil, err
				}
				if s.file, err = os.OpenFile(name, flag&^os.O_CREATE, mode); err != nil {
					return nil, err
				}
				return s.file, s.admit(!readOnly)
			},
		})
		if err != nil {
			return err
		}
		return s.db.View(checkFormat)
	})
	if err != nil && s.db != nil && !errors.Is(err, errPanicked) {
		return errors.Join(err, s.db.Close())
	}
	if err != nil && s.file != nil {
		_ = s.release() // bbolt may have done so
	}
	return err
}

// isFile fails on what only looks like a file once it is open.
func isFile(path string) error {
	switch info, err := os.Stat(path); {
	case err != nil:
		return err
	case info.IsDir():
		return syscall.EISDIR
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file: name one, or a path where nothing is")
	}
	return nil
}

// admit locks the file and checks it, before bbolt maps it into memory and
// follows whatever its pages say.
func (s *Store) admit(exclusive bool) error {
	if err := lock(s.file, exclusive, lockPatience); err != nil {
		return err
	}
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if named, err := os.Stat(s.path); err != nil {
		return err
	} else if !os.SameFile(named, info) {
		return errReplaced
	}
	s.pages, err = checkPages(s.file, info.Size())
	return err
}

func checkFormat(tx *bbolt.Tx) error {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		return fmt.Errorf("%w: it is a database, but no ledger", ledger.ErrCorrupt)
	}
	v := meta.Get(formatKey)
	if len(v) != 8 || !bytes.Equal(v, encodeFormat(binary.BigEndian.Uint32(v))) {
		return fmt.Errorf("%w: it has no format number", ledger.ErrCorrupt)
	}
	switch found := binary.BigEndian.Uint32(v); {
	case found > format:
		return fmt.Errorf("%w: it has format %d, this program knows %d: update the program; or move the file away to start afresh: everything is then delivered again, and what was deleted meanwhile is not noticed", ErrNewer, found, format)
	case found < format:
		return fmt.Errorf("%w: unknown format %d", ledger.ErrCorrupt, found)
	}
	if tx.Bucket(cursorsBucket) == nil {
		return fmt.Errorf("%w: it has no place for cursors", ledger.ErrCorrupt)
	}
	return nil
}

// encodeFormat returns a format number with a checksum: a file that is damaged
// there is not one from a newer program.
func encodeFormat(n uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, n)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}
