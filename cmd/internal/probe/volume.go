package probe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/flock"
)

// Volume tries whether the folder of a file will do for a ledger, by a file of another name
// that is locked, written, synced and removed.
func Volume(path string) *api.Volume {
	v := &api.Volume{Folder: filepath.Dir(path)}
	v.Free, v.Size = room(v.Folder)
	if err := try(v.Folder); err != nil {
		v.Error = err.Error()
	}
	return v
}

func try(folder string) (err error) {
	f, err := os.CreateTemp(folder, ".fairlead-check-*")
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close(), os.Remove(f.Name()))
	}()
	if flock.Supported {
		if err := flock.Try(f, flock.Exclusive); err != nil {
			return fmt.Errorf("lock a file: %w", err)
		}
	}
	if _, err := f.Write(make([]byte, os.Getpagesize())); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return nil
}
