package deadletter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
)

// Take takes the records out of the file by renaming it; what is refused from
// then on goes to a new one. Records of lanes that a Taken before has open go back
// to the file, and so do those of sinks of which 8 have some open, see Full, and lines
// that are no records. What an earlier process left
// behind, and what could not be put back before, is put back first; a line of it that
// cannot be read is passed over, and told of by Bad. It returns nil if there is nothing
// to take. One Take at a time; others may have lanes open.
//
// When it fails, or ctx ends, the next Take begins with what is left over.
func (f *File) Take(ctx context.Context) (*Taken, error) {
	bad, err := f.putBackLeftOver(ctx)
	if err != nil {
		return nil, errors.Join(err, bad.err())
	}
	open := f.inUse()
	if len(open.lanes) > 0 {
		// Without this look at it the file would be copied each time, in vain.
		if some, err := f.hasOthers(ctx, open); err != nil || !some {
			return nil, errors.Join(err, bad.err())
		}
	}
	open = f.inUse() // of which some may have ended meanwhile
	path, err := f.begin()
	if path == "" || err != nil {
		return nil, errors.Join(err, bad.err())
	}
	t := &Taken{file: f, path: path, bad: bad, full: map[string]int{}, lanes: map[Lane][]Entry{}}
	if t.f, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return nil, fmt.Errorf("take the dead letters: %w", err)
	}
	back, err := t.index(ctx, open)
	if err == nil {
		bad, err = t.putBack(ctx, back)
		t.bad.addAll(bad)
	}
	if err != nil {
		return nil, errors.Join(err, t.f.Close())
	}
	f.mu.Lock()
	f.taken[path] = t
	t.users = len(t.lanes) + 1
	f.mu.Unlock()
	return t, t.letGo() // it may have no lanes
}

// inUse is what is not to be taken now.
type inUse struct {
	lanes map[Lane]struct{} // their records are being sent again
	files map[string]int    // by sink: files with such records
}

func (f *File) inUse() inUse {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := inUse{lanes: map[Lane]struct{}{}, files: map[string]int{}}
	for _, t := range f.taken {
		sinks := map[string]struct{}{}
		for lane := range t.lanes {
			u.lanes[lane] = struct{}{}
			sinks[lane.Sink] = struct{}{}
		}
		for sink := range sinks {
			u.files[sink]++
		}
	}
	return u
}

// has tells whether a lane is to stay, and whether that is because of its sink.
func (u inUse) has(lane Lane) (stays, full bool) {
	if _, is := u.lanes[lane]; is {
		return true, false
	}
	full = u.files[lane.Sink] >= mostOfSink
	return full, full
}

// errFull says why nothing is taken of a sink.
func errFull(sink string) error {
	return fmt.Errorf("%d earlier retries of sink %q go on; wait until one of them has ended", mostOfSink, sink)
}

// hasOthers reports whether the file holds records that are to be taken, or some of a lane or
// sink that has ended while it looked. If there are none, the error tells of the sinks that
// are full.
func (f *File) hasOthers(ctx context.Context, open inUse) (bool, error) {
	held, full := map[Lane]struct{}{}, map[string]struct{}{}
	for l, err := range readLines(f.path, false) {
		if err == nil {
			err = context.Cause(ctx)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("look for dead letters: %w", err)
		}
		lane, err := laneIn(l.text)
		if err != nil {
			continue
		}
		stays, of := open.has(lane)
		if !stays {
			return true, nil
		}
		held[lane] = struct{}{}
		if of {
			full[lane.Sink] = struct{}{}
		}
	}
	now := f.inUse()
	for lane := range held {
		if stays, _ := now.has(lane); !stays {
			return true, nil
		}
	}
	var err error
	for _, sink := range slices.Sorted(maps.Keys(full)) {
		err = errors.Join(err, errFull(sink))
	}
	return false, err
}

// begin renames the file, and returns what it is called then; "" if there is nothing
// in it.
func (f *File) begin() (string, error) {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	switch info, err := os.Stat(f.path); {
	case errors.Is(err, fs.ErrNotExist), err == nil && info.Size() == 0:
		return "", nil
	case err != nil:
		return "", fmt.Errorf("look for dead letters: %w", err)
	}
	n := 1
	for n <= mostTaken && f.isUsed(takenPath(f.path, n)) {
		n++
	}
	if n > mostTaken {
		return "", fmt.Errorf("%d earlier retries go on, with files up to %q; wait until one of them has ended", mostTaken, takenPath(f.path, mostTaken))
	}
	path := takenPath(f.path, n)
	if err := os.Rename(f.path, path); err != nil {
		return "", fmt.Errorf("take the dead letters: %w", err)
	}
	if err := f.renew(); err != nil {
		// Nothing can be written without a new file, but the old one will do.
		return "", errors.Join(fmt.Errorf("begin a new file of dead letters: %w", err), os.Rename(path, f.path))
	}
	return path, nil
}

// isUsed reports whether a Taken has that name, or something else has it. The name of one that
// is being removed is used until that is done: who removes it goes by the name. Only Take uses
// names, so that one which is free stays so.
func (f *File) isUsed(path string) bool {
	f.mu.Lock()
	_, is := f.taken[path]
	f.mu.Unlock()
	return is || isThere(path)
}

// renew opens the path anew, for the caller, who has the turn.
func (f *File) renew() error {
	if err := f.syncFolder(); err != nil {
		return err
	}
	f.lines.Reopen()
	return f.lines.Write(context.Background(), func(dst []byte) []byte { return dst })
}
