package bolt

import (
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// newSuffix is that of the file in which a new ledger is made. What a crash left
// there is removed unseen, so it is none that anyone would give a backup.
const newSuffix = ".being-made"

// create makes a new ledger and only then gives it its name: a crash leaves
// either nothing there or all of it. So an empty file is never taken for a new
// one: it is one that was truncated. Where another process is faster, its ledger
// stays, and the lock decides who has it.
func create(path string) error {
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no folder %s: make it, or choose another path", dir)
	}
	if err := makeNew(path); err != nil {
		return err
	}
	return syncDir(dir)
}

// initialize makes an empty file a ledger, calls then unless that has failed, and
// closes the file, which stays locked until then.
func initialize(f *os.File, then func() error) error {
	o := *bbolt.DefaultOptions
	o.OpenFile = func(string, int, os.FileMode) (*os.File, error) { return f, nil }
	db, err := bbolt.Open(f.Name(), 0o600, &o)
	if err != nil {
		_ = f.Close() // bbolt may have done so
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		if _, err := tx.CreateBucket(cursorsBucket); err != nil {
			return err
		}
		if err := (sum{}).store(meta); err != nil {
			return err
		}
		return meta.Put(formatKey, encodeFormat(format))
	})
	if err == nil {
		err = then()
	}
	if e := db.Close(); err == nil {
		err = e
	}
	return err
}

// syncDir makes a new name in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	// Not every file system can; then a name is as durable as it gets.
	_ = d.Sync()
	return d.Close()
}
