package deadletter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
)

// Taken is what was in the file when it was taken, to be sent again. It is used
// by one goroutine.
type Taken struct {
	file *File
	path string
}

// Take takes the records out of the file by renaming it; what is refused from
// then on goes to a new one. What an earlier Take left behind is part of it.
// It returns nil if there is nothing. Finish ends it; there is one at a time.
func (f *File) Take() (*Taken, error) {
	t := &Taken{f, f.path + Suffix}
	if _, err := os.Stat(t.path); err == nil {
		if err := t.Finish(func(int) bool { return true }); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for what was left over: %w", err)
	}
	return t.begin()
}

func (t *Taken) begin() (*Taken, error) {
	f := t.file
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	switch info, err := os.Stat(f.path); {
	case errors.Is(err, fs.ErrNotExist), err == nil && info.Size() == 0:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look for dead letters: %w", err)
	}
	if err := os.Rename(f.path, t.path); err != nil {
		return nil, fmt.Errorf("take the dead letters: %w", err)
	}
	if err := f.renew(); err != nil {
		// Nothing can be written without a new file, but the old one will do.
		return nil, errors.Join(fmt.Errorf("begin a new file of dead letters: %w", err), os.Rename(t.path, f.path))
	}
	return t, nil
}

// renew opens the path anew, for the caller, who has the turn.
func (f *File) renew() error {
	if err := f.syncFolder(); err != nil {
		return err
	}
	f.lines.Reopen()
	return f.lines.Write(context.Background(), func(dst []byte) []byte { return dst })
}

// Records returns what was taken, as [Read] does.
func (t *Taken) Records() iter.Seq2[Record, error] { return Read(t.path) }

// chunk is how much Finish puts back at a time, in bytes.
const chunk = 1 << 20

// Finish puts the lines back into the file that keep wants kept, by their
// numbers, and removes the rest. When it fails, nothing is removed: all of it
// is part of the next Take, and what had been put back is there twice.
func (t *Taken) Finish(keep func(line int) bool) error {
	var back []byte
	flush := func() error {
		if len(back) == 0 {
			return nil
		}
		err := t.file.write(func(dst []byte) []byte { return append(dst, back...) })
		back = back[:0]
		return err
	}
	for l, err := range readLines(t.path) {
		if err != nil {
			return fmt.Errorf("put dead letters back: %w", err)
		}
		if !keep(l.number) {
			continue
		}
		if len(back)+len(l.text) > chunk {
			if err := flush(); err != nil {
				return fmt.Errorf("put dead letters back: %w", err)
			}
		}
		back = append(back, l.text...)
	}
	if err := flush(); err != nil {
		return fmt.Errorf("put dead letters back: %w", err)
	}
	if err := os.Remove(t.path); err != nil {
		return fmt.Errorf("remove what was sent again: %w", err)
	}
	return t.file.syncFolder()
}
