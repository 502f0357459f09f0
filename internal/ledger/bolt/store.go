package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/fairlead-dev/fairlead/internal/flock"
	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// Store is a ledger.Store in a file.
type Store struct {
	path   string
	db     *bbolt.DB
	file   *os.File // of db
	pages  Pages    // as found by Open
	broken error    // set once db may hold its locks for ever
}

// Close closes the file.
func (s *Store) Close() error {
	var err error
	if s.broken != nil {
		err = s.release() // bbolt would wait for itself
	} else {
		err = s.use(s.db.Close)
	}
	if err != nil {
		return fmt.Errorf("close ledger %s: %w", s.path, err)
	}
	return nil
}

// release gives up the file behind the back of bbolt.
func (s *Store) release() error { return errors.Join(flock.Unlock(s.file), s.file.Close()) }

// Path returns the file's path.
func (s *Store) Path() string { return s.path }

// Pages returns what the file consisted of when it was opened.
func (s *Store) Pages() Pages { return s.pages }

// Size returns the size of the file in bytes, 0 if it cannot be told.
func (s *Store) Size() int64 {
	info, err := os.Stat(s.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// use guards a use of db. When a panic has ended one, there is no other: the
// locks of db are where they were.
func (s *Store) use(work func() error) error {
	if s.broken != nil {
		return s.broken
	}
	err := guard(work)
	if errors.Is(err, errPanicked) {
		s.broken = err
	}
	return err
}

// Exclusive implements ledger.Exclusive: the file is locked.
func (*Store) Exclusive() bool { return true }

// Load implements ledger.Store. It fails with ErrCorrupt when anything that was
// stored is missing or changed.
func (s *Store) Load(ctx context.Context, visit func(cursor string, head []byte, records iter.Seq2[[]byte, []byte]) error) error {
	err := s.use(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			want, err := loadSum(tx.Bucket(metaBucket))
			if err != nil {
				return err
			}
			var found sum
			cursors := tx.Bucket(cursorsBucket)
			err = cursors.ForEachBucket(func(name []byte) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				return load(name, cursors.Bucket(name), &found, visit)
			})
			if err != nil {
				return err
			}
			if found != want {
				return fmt.Errorf("%w: it holds %d entries and should hold %d, or they are not those that were stored", ledger.ErrCorrupt, found.n, want.n)
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("read ledger %s: %w", s.path, explain(err))
	}
	return nil
}

// load visits one cursor and adds up what it holds, whether or not the visitor
// wants to see it.
func load(name []byte, b *bbolt.Bucket, found *sum, visit func(cursor string, head []byte, records iter.Seq2[[]byte, []byte]) error) error {
	head := b.Get(headKey)
	if head != nil {
		found.add(name, aHead, nil, head)
	}
	next := func() ([]byte, []byte) { return nil, nil }
	if records := b.Bucket(recordsBucket); records != nil {
		c, started := records.Cursor(), false
		next = func() (k, v []byte) {
			if !started {
				started = true
				k, v = c.First()
			} else {
				k, v = c.Next()
			}
			if k != nil {
				found.add(name, aRecord, k, v)
			}
			return k, v
		}
	}
	err := visit(string(name), head, func(yield func(k, v []byte) bool) {
		for k, v := next(); k != nil && yield(k, v); k, v = next() {
		}
	})
	if err != nil {
		return err
	}
	for k, _ := next(); k != nil; k, _ = next() {
	}
	return nil
}

// Apply implements ledger.Store. It does not return early when ctx ends: a
// transaction takes some milliseconds.
func (s *Store) Apply(_ context.Context, updates []ledger.Update) error {
	err := s.use(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			meta, cursors := tx.Bucket(metaBucket), tx.Bucket(cursorsBucket)
			sum, err := loadSum(meta)
			if err != nil {
				return err
			}
			for i := range updates {
				if err := check(cursors, &updates[i]); err != nil {
					return err
				}
			}
			for _, u := range updates {
				if u.OnlyChecks() {
					continue
				}
				if err := apply(cursors, &sum, u); err != nil {
					return err
				}
			}
			return sum.store(meta)
		})
	})
	if err != nil {
		return fmt.Errorf("write ledger %s: %w", s.path, explain(err))
	}
	return nil
}

func check(cursors *bbolt.Bucket, u *ledger.Update) error {
	if u.Check == nil {
		return nil
	}
	var head []byte
	if b := cursors.Bucket([]byte(u.Cursor)); b != nil {
		head = b.Get(headKey)
	}
	return u.Check(head)
}

func apply(cursors *bbolt.Bucket, sum *sum, u ledger.Update) error {
	name := []byte(u.Cursor)
	if u.Drop {
		return drop(cursors, sum, name)
	}
	b, err := cursors.CreateBucketIfNotExists(name)
	if err != nil {
		return err
	}
	if u.Head != nil {
		if old := b.Get(headKey); old != nil {
			sum.remove(name, aHead, nil, old)
		}
		sum.add(name, aHead, nil, u.Head)
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
	// In order, because bbolt splits its nodes only at the end: in a new cursor
	// each record that is not the last would move half of the others. Stable,
	// because a key may come twice.
	sorted := slices.Clone(u.Records)
	slices.SortStableFunc(sorted, func(a, b ledger.Record) int { return bytes.Compare(a.Key, b.Key) })
	find := records.Cursor() // unlike Get, which makes one each time
	for _, r := range sorted {
		if key, old := find.Seek(r.Key); bytes.Equal(key, r.Key) {
			sum.remove(name, aRecord, r.Key, old)
		}
		if r.Value == nil {
			err = records.Delete(r.Key)
		} else {
			sum.add(name, aRecord, r.Key, r.Value)
			err = records.Put(r.Key, r.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func drop(cursors *bbolt.Bucket, sum *sum, name []byte) error {
	b := cursors.Bucket(name)
	if b == nil {
		return nil
	}
	if head := b.Get(headKey); head != nil {
		sum.remove(name, aHead, nil, head)
	}
	if records := b.Bucket(recordsBucket); records != nil {
		c := records.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			sum.remove(name, aRecord, k, v)
		}
	}
	return cursors.DeleteBucket(name)
}
