package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// compactAtOnce bounds the memory that Compact takes: what it copies in one
// transaction, in bytes.
const compactAtOnce = 16 << 20

// compactSuffix is that of the file that Compact writes. A crash may leave it
// there; the next Compact removes it.
const compactSuffix = ".compacting"

// Compact writes the ledger at path anew, without what is free in it, and
// returns its size before and after. The new file takes the place of the old
// one in one step, once it is complete, durable and checked; until then, and
// after an error or a crash, the old one is there. It fails with ErrLocked
// while a program has the ledger open.
func Compact(ctx context.Context, path string) (before, after int64, err error) {
	// A link stays one.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	s, err := OpenExisting(path, false)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Load(ctx, noVisit); err != nil {
		return 0, 0, err
	}
	before = s.Size()
	if after, err = s.compact(ctx); err != nil {
		return 0, 0, fmt.Errorf("compact ledger %s: %w", path, explain(err))
	}
	return before, after, nil
}

func (s *Store) compact(ctx context.Context) (size int64, err error) {
	name := s.path + compactSuffix
	// Who has the lock compacts alone: what is there was left by a crash.
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	tmp, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if e := os.Remove(name); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}()
	info, err := s.file.Stat()
	if err != nil {
		return 0, errors.Join(err, tmp.Close())
	}
	// Whoever may use the old one, the program for one, may use the new one.
	if err := errors.Join(tmp.Chmod(info.Mode().Perm()), keepOwner(info, tmp), tmp.Close()); err != nil {
		return 0, err
	}
	if err := s.copyTo(name); err != nil {
		return 0, err
	}
	copied, err := OpenExisting(name, true)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(copied.Load(ctx, noVisit), copied.Close()); err != nil {
		return 0, err
	}
	size = copied.Size()
	if err := os.Rename(name, s.path); err != nil {
		return 0, err
	}
	return size, syncDir(filepath.Dir(s.path))
}

func noVisit(string, []byte, iter.Seq2[[]byte, []byte]) error { return nil }

func (s *Store) copyTo(path string) error {
	dst, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoStatistics: true})
	if err != nil {
		return err
	}
	err = s.use(func() error { return bbolt.Compact(dst, s.db, compactAtOnce) })
	if err := errors.Join(err, dst.Close()); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(trim(f), f.Close())
}

// trim cuts off what bbolt keeps at the end of a file for its growth, and makes
// the rest durable.
func trim(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	p, err := checkPages(f, info.Size())
	if err != nil {
		return err
	}
	if err := f.Truncate(int64(p.Total) * int64(p.Size)); err != nil {
		return err
	}
	return f.Sync()
}
