package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// The errors that Open and Load wrap, apart from ledger.ErrCorrupt.
var (
	// ErrLocked: another process has the file.
	ErrLocked = errors.New("locked by another process")
	// ErrNewer: the file was written by a newer program.
	ErrNewer = errors.New("written by a newer version")
)

// format is the number of the layout described in the package's comment.
const format = 1

var (
	metaBucket    = []byte("fairlead")
	formatKey     = []byte("format")
	cursorsBucket = []byte("cursors")
	headKey       = []byte("head")
	recordsBucket = []byte("records")
)

// lockPatience is how long Open waits for another process to end: longer than
// a restart under a supervisor overlaps, shorter than anybody's patience.
const lockPatience = 3 * time.Second

// Store is a ledger.Store in a file.
type Store struct {
	path string
	db   *bbolt.DB
}

// Open opens the ledger at path, and makes it if nothing is there. Its folder
// must exist.
func Open(path string) (*Store, error) { return open(path, os.O_RDWR|os.O_CREATE, false) }

// OpenExisting opens a ledger that must be there; readOnly for a look.
func OpenExisting(path string, readOnly bool) (*Store, error) {
	return open(path, os.O_RDWR, readOnly)
}

func open(path string, flag int, readOnly bool) (s *Store, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("open ledger %s: %w", path, err)
		}
	}()
	if flag&os.O_CREATE == 0 {
		if _, err := os.Stat(path); err != nil {
			return nil, explain(err)
		}
	} else if dir := filepath.Dir(path); !isDir(dir) {
		return nil, fmt.Errorf("there is no folder %s: make it, or choose another path", dir)
	}
	s = &Store{path: path}
	err = guard(func() error {
		var err error
		s.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout:      lockPatience,
			FreelistType: bbolt.FreelistMapType,
			ReadOnly:     readOnly,
			// A file that is not there must not appear when it must be.
			OpenFile: func(name string, f int, mode os.FileMode) (*os.File, error) {
				return os.OpenFile(name, f&^os.O_CREATE|flag&os.O_CREATE, mode)
			},
		})
		return err
	})
	if err != nil {
		return nil, explain(err)
	}
	if err := guard(func() error { return s.prepare(readOnly) }); err != nil {
		return nil, explain(errors.Join(err, s.db.Close()))
	}
	return s, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// guard turns a panic over a damaged file, and a fault where a page lies beyond
// the end of a truncated one, into an error.
func guard(work func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ledger.ErrCorrupt, p)
		}
	}()
	return work()
}

// explain says what an error means and what to do about it.
func explain(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrNewer):
		return err
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%w: end that one first, or give each its own ledger", ErrLocked)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("it is not there: %w", err)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, ledger.ErrCorrupt):
		return fmt.Errorf("%w: it is no ledger, or it is damaged. Restore it from a backup; or move it away to start afresh: "+
			"everything is then delivered again, and what was deleted meanwhile is not noticed (%w)", ledger.ErrCorrupt, err)
	}
	return err
}

// prepare checks format and size, and gives a new file its format.
func (s *Store) prepare(readOnly bool) error {
	if info, err := os.Stat(s.path); err != nil {
		return err
	} else if err := s.db.View(func(tx *bbolt.Tx) error {
		if tx.Size() > info.Size() {
			return fmt.Errorf("%w: truncated to %d of %d bytes", ledger.ErrCorrupt, info.Size(), tx.Size())
		}
		return nil
	}); err != nil {
		return err
	}
	found, empty := uint64(0), false
	err := s.db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		if meta == nil {
			first, _ := tx.Cursor().First()
			if empty = first == nil; empty {
				return nil
			}
			return fmt.Errorf("%w: a database of something else", ledger.ErrCorrupt)
		}
		v := meta.Get(formatKey)
		if len(v) != 8 || tx.Bucket(cursorsBucket) == nil {
			return fmt.Errorf("%w: no format number", ledger.ErrCorrupt)
		}
		found = binary.BigEndian.Uint64(v)
		return nil
	})
	switch {
	case err != nil:
		return err
	case empty && readOnly, !empty && found == format:
		return nil
	case empty:
		return s.db.Update(func(tx *bbolt.Tx) error {
			meta, err := tx.CreateBucket(metaBucket)
			if err != nil {
				return err
			}
			if _, err := tx.CreateBucket(cursorsBucket); err != nil {
				return err
			}
			return meta.Put(formatKey, binary.BigEndian.AppendUint64(nil, format))
		})
	case found > format:
		return fmt.Errorf("%w: it has format %d, this one knows %d: update this program, or move the file away to start afresh", ErrNewer, found, format)
	}
	return fmt.Errorf("%w: unknown format %d", ledger.ErrCorrupt, found)
}

// Close closes the file.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close ledger %s: %w", s.path, err)
	}
	return nil
}

// Size returns the size of the file in bytes.
func (s *Store) Size() int64 {
	info, err := os.Stat(s.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// Load implements ledger.Store.
func (s *Store) Load(ctx context.Context, visit func(cursor string, head []byte, records iter.Seq2[[]byte, []byte]) error) error {
	err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			cursors := tx.Bucket(cursorsBucket)
			if cursors == nil {
				return nil // an empty file that was opened for a look
			}
			return cursors.ForEachBucket(func(name []byte) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				b := cursors.Bucket(name)
				records := b.Bucket(recordsBucket)
				return visit(string(name), b.Get(headKey), func(yield func(k, v []byte) bool) {
					if records == nil {
						return
					}
					c := records.Cursor()
					for k, v := c.First(); k != nil && yield(k, v); k, v = c.Next() {
					}
				})
			})
		})
	})
	if err != nil {
		return fmt.Errorf("read ledger %s: %w", s.path, explain(err))
	}
	return nil
}

// Apply implements ledger.Store. It does not return early when ctx ends: a
// transaction takes some milliseconds.
func (s *Store) Apply(_ context.Context, updates []ledger.Update) error {
	err := guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			cursors := tx.Bucket(cursorsBucket)
			for _, u := range updates {
				if err := apply(cursors, u); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("write ledger %s: %w", s.path, err)
	}
	return nil
}

func apply(cursors *bbolt.Bucket, u ledger.Update) error {
	name := []byte(u.Cursor)
	if u.Drop {
		if cursors.Bucket(name) == nil {
			return nil
		}
		return cursors.DeleteBucket(name)
	}
	b, err := cursors.CreateBucketIfNotExists(name)
	if err != nil {
		return err
	}
	if u.Head != nil {
		if err := b.Put(headKey, u.Head); err != nil {
			return err
		}
	}
	if len(u.Records) == 0 {
		return nil
	}
	records, err := b.CreateBucketIfNotExists(recordsBucket)
	if err != nil {
		return err
	}
	for _, r := range u.Records {
		if r.Value == nil {
			err = records.Delete(r.Key)
		} else {
			err = records.Put(r.Key, r.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
