package deadletter

import (
	"bytes"
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

// mark notes that a line is dealt with. What is left of one that is no record, if the program
// ends meanwhile, is put back as one more of these.
func (t *Taken) mark(e Entry) error {
	mark := []byte{done}
	if e.junk {
		mark = bytes.Repeat([]byte{' '}, int(e.size)-1) // but for its end
	}
	if _, err := t.f.WriteAt(mark, e.offset); err != nil {
		return fmt.Errorf("note in %q what was sent: %w", t.path, err)
	}
	return nil
}

// putBackLeftOver puts back what is left over: of processes before, and of what could
// not be put back when its lane ended.
func (f *File) putBackLeftOver(ctx context.Context) (bad badLines, err error) {
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
	note := func(more badLines, failed error) {
		bad.addAll(more)
		err = errors.Join(err, failed)
	}
	for _, t := range used {
		note(t.putBackStuck(ctx))
	}
	for n := 1; n <= mostTaken; n++ {
		path := takenPath(f.path, n)
		if all[path] == nil && isThere(path) {
			note(f.putBackFile(ctx, path))
		}
	}
	return bad, err
}

// putBackStuck tries again, for one who is counted among the users.
func (t *Taken) putBackStuck(ctx context.Context) (badLines, error) {
	t.file.mu.Lock()
	stuck := t.stuck
	t.stuck = nil
	t.file.mu.Unlock()
	bad, err := t.putBack(ctx, stuck)
	return bad, errors.Join(err, t.letGo())
}

// putBackFile puts all of a file back that is not done, and removes it.
func (f *File) putBackFile(ctx context.Context, path string) (bad badLines, err error) {
	t := &Taken{file: f, path: path}
	if t.f, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return bad, fmt.Errorf("put dead letters back: %w", err)
	}
	all, err := t.lines(ctx)
	if err == nil {
		bad, err = t.putBack(ctx, all)
	}
	if err = errors.Join(err, t.f.Close()); err != nil || bad.n > 0 {
		return bad, err
	}
	return bad, remove(f, path)
}

// lines returns all that is not done.
func (t *Taken) lines(ctx context.Context) (all []Entry, err error) {
	for l, err := range readLines(t.path, true) {
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
		_, none := laneIn(l.text)
		e.junk = none != nil
		all = append(all, e)
	}
	return all, nil
}
