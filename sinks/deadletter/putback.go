package deadletter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
)

// Lines are put back in this order, so that a crash leaves each in one file or in both:
//
//	PATH.retrying ── read, up to 1 MiB ──▶ appended to PATH, and synced ──▶ marked as done in PATH.retrying
//
// A mark is not synced: without it the line is sent twice.

// chunk is how much is put back at a time, in bytes.
const chunk = 1 << 20

// putBack puts lines back into the file, until ctx ends. Those that it could not put
// back it notes, for the next Take.
func (t *Taken) putBack(ctx context.Context, all []Entry) error {
	for len(all) > 0 {
		n, err := 0, context.Cause(ctx)
		if err == nil {
			n, err = t.putBackSome(all)
		}
		all = all[n:]
		if err != nil {
			t.file.mu.Lock()
			t.stuck = append(t.stuck, all...)
			t.file.mu.Unlock()
			return fmt.Errorf("put dead letters back: %w", err)
		}
	}
	return nil
}

// putBackSome puts as many lines back as are a chunk, at least one. It returns how many are
// in the file again, also with an error.
func (t *Taken) putBackSome(all []Entry) (n int, err error) {
	var back []byte
	for n < len(all) && (n == 0 || int64(len(back))+all[n].Size() <= chunk) {
		if back, err = t.text(back, all[n]); err != nil {
			return 0, err
		}
		n++
	}
	if err := t.file.write(func(dst []byte) []byte { return append(dst, back...) }); err != nil {
		return 0, err
	}
	for _, e := range all[:n] {
		err = errors.Join(err, t.mark(e))
	}
	return n, err
}

// text appends a line as it is in the file.
func (t *Taken) text(dst []byte, e Entry) ([]byte, error) {
	n := len(dst)
	dst = slices.Grow(dst, int(e.size))[:n+int(e.size)]
	if _, err := t.f.ReadAt(dst[n:], e.offset); err != nil {
		return nil, fmt.Errorf("read %q: %w", t.path, err)
	}
	if dst[len(dst)-1] != '\n' {
		return nil, fmt.Errorf("read %q: it was changed by another program", t.path)
	}
	return dst, nil
}

// mark notes that a line is dealt with.
func (t *Taken) mark(e Entry) error {
	if _, err := t.f.WriteAt([]byte{done}, e.offset); err != nil {
		return fmt.Errorf("note in %q what was sent: %w", t.path, err)
	}
	return nil
}

// putBackLeftOver puts back what is left over: of processes before, and of what could
// not be put back when its lane ended.
func (f *File) putBackLeftOver(ctx context.Context) error {
	f.mu.Lock()
	all := maps.Clone(f.taken)
	var used []*Taken
	for _, t := range all {
		if t.users > 0 { // else it is being removed
			t.users++
			used = append(used, t)
		}
	}
	f.mu.Unlock()
	var errs []error
	for _, t := range used {
		errs = append(errs, t.putBackStuck(ctx))
	}
	for n := 1; n <= mostTaken; n++ {
		path := takenPath(f.path, n)
		if all[path] == nil && isThere(path) {
			errs = append(errs, f.putBackFile(ctx, path))
		}
	}
	return errors.Join(errs...)
}

// putBackStuck tries again, for one who is counted among the users.
func (t *Taken) putBackStuck(ctx context.Context) error {
	t.file.mu.Lock()
	stuck := t.stuck
	t.stuck = nil
	t.file.mu.Unlock()
	return errors.Join(t.putBack(ctx, stuck), t.letGo())
}

// putBackFile puts all of a file back that is not done.
func (f *File) putBackFile(ctx context.Context, path string) (err error) {
	t := &Taken{file: f, path: path}
	if t.f, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return fmt.Errorf("put dead letters back: %w", err)
	}
	all, err := t.lines(ctx)
	if err == nil {
		err = t.putBack(ctx, all)
	}
	if err = errors.Join(err, t.f.Close()); err != nil {
		return err
	}
	return remove(f, path)
}

// lines returns all that is not done.
func (t *Taken) lines(ctx context.Context) (all []Entry, err error) {
	for l, err := range readLines(t.path) {
		var e Entry
		if err == nil {
			e, err = entryOf(l)
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("put dead letters back: %w", err)
		}
		all = append(all, e)
	}
	return all, nil
}
