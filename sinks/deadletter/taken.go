package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
)

// Lane is what goes one after the other: the records of one sink and one cluster.
type Lane struct{ Sink, Cluster string }

func laneOf(r *Record) Lane { return Lane{r.Sink, r.Event.Cluster} }

// laneIn returns the lane of a line, or why it is no record. It does not look for all that
// makes it none, which takes five times as long: [Taken.Record] does.
func laneIn(text []byte) (Lane, error) {
	var r struct {
		Sink  string `json:"sink"`
		Event struct {
			Cluster string `json:"cluster"`
		} `json:"event"`
	}
	if err := json.Unmarshal(text, &r); err == nil && r.Sink != "" && r.Event.Cluster != "" {
		return Lane{r.Sink, r.Event.Cluster}, nil
	}
	whole, err := parseRecord(text)
	return laneOf(&whole), err
}

// Entry is where a record is in a file that was taken. It takes 16 bytes.
type Entry struct {
	offset int64
	size   uint32
	junk   bool // it is no record
}

func entryOf(l line) (Entry, error) {
	n := len(l.text)
	if n > math.MaxUint32 {
		return Entry{}, fmt.Errorf("line %d is longer than 4 GiB; remove it", l.number)
	}
	return Entry{offset: l.offset, size: uint32(n)}, nil //nolint:gosec // it is bounded
}

// Size returns how long the record is in the file, in bytes.
func (e Entry) Size() int64 { return int64(e.size) }

// Taken is what was taken out of the file to be sent again: all records of some lanes.
// Each lane is open until Finish is called for it, once. With the last one
// the file is removed. Any goroutine may use it.
type Taken struct {
	file *File
	path string
	f    *os.File
	bad  badLines
	full map[string]int // records left in the file, by sink

	// Of file.mu:
	lanes map[Lane][]Entry // those that are open
	users int              // as many, and others that read it
	stuck []Entry          // they could not be put back
	left  bool             // something in it stays, for a Take after its end
}

// Lanes returns the open lanes and where their records are, in the order written. The
// entries are not to be changed.
func (t *Taken) Lanes() map[Lane][]Entry {
	t.file.mu.Lock()
	defer t.file.mu.Unlock()
	return maps.Clone(t.lanes)
}

// mostTold bounds how many lines that are no records are told of, of each Take.
const mostTold = 20

// Bad returns how many lines were no records, which are in the file again, or could not be
// read, which stay where they are, and what is wrong with the first of them.
func (t *Taken) Bad() (n int, first []error) { return t.bad.n, t.bad.told }

// Full returns how many records are in the file again because that many retries of their sink
// go on already, by why.
func (t *Taken) Full() map[string]int {
	by := map[string]int{}
	for sink, n := range t.full {
		by[errFull(sink).Error()] = n
	}
	return by
}

// Owes reports whether something of it could not be put back yet.
func (t *Taken) Owes() bool {
	t.file.mu.Lock()
	defer t.file.mu.Unlock()
	return t.left || len(t.stuck) > 0
}

// Record reads one record. The error says that it cannot be read, or is none: it is to be
// kept then.
func (t *Taken) Record(lane Lane, e Entry) (Record, error) {
	text, err := t.text(nil, e)
	if err != nil {
		return Record{}, err
	}
	r, err := parseRecord(text)
	if err == nil && laneOf(&r) != lane {
		err = errors.New("it is another one than it was")
	}
	if err != nil {
		return Record{}, fmt.Errorf("%q, at byte %d: %w", t.path, e.offset, err)
	}
	return r, nil
}

// Finish ends a lane: the records that keep wants kept, by their place in the lane, are
// put back into the file, and the others are gone. When it fails, those are put back by
// the next Take. What is not put back when ctx ends stays where it is, for the next Take
// too; that is no error. If it has ended already, Finish takes no time.
func (t *Taken) Finish(ctx context.Context, lane Lane, keep func(i int) bool) error {
	t.file.mu.Lock()
	all := t.lanes[lane]
	t.file.mu.Unlock()
	var kept []Entry
	var err error
	for i, e := range all {
		if !keep(i) {
			failed := t.mark(e)
			if failed == nil {
				continue
			}
			err = failed // and it is sent again
		}
		kept = append(kept, e)
	}
	stays := ctx.Err() != nil
	if !stays {
		bad, failed := t.putBack(ctx, kept)
		if ctx.Err() != nil && errors.Is(failed, context.Cause(ctx)) {
			failed = nil
		}
		err = errors.Join(err, failed, bad.err())
	}
	t.file.mu.Lock()
	t.left = t.left || stays
	delete(t.lanes, lane)
	t.file.mu.Unlock()
	return errors.Join(err, t.letGo())
}

// letGo says that one reads the file no more: after the last one it is removed, unless
// something in it is to be put back.
func (t *Taken) letGo() error {
	f := t.file
	f.mu.Lock()
	t.users--
	last, stays := t.users == 0, t.left || len(t.stuck) > 0
	f.mu.Unlock()
	if !last {
		return nil
	}
	err := t.f.Close()
	if !stays {
		err = errors.Join(err, remove(f, t.path))
	}
	f.mu.Lock()
	delete(f.taken, t.path) // from here on what is there is left over
	f.mu.Unlock()
	return err
}

// remove removes a file of which nothing is left to be put back.
func remove(f *File, path string) error {
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove what was sent again: %w", err)
	}
	return f.syncFolder()
}

// index notes where the records of all lanes are but of those that are to stay. It returns
// what is to be put back.
func (t *Taken) index(ctx context.Context, open inUse) (back []Entry, err error) {
	for l, err := range readLines(t.path, false) { // nothing is done yet
		var e Entry
		if err == nil {
			e, err = entryOf(l)
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("take the dead letters: %w", err)
		}
		lane, err := laneIn(l.text)
		switch stays, full := open.has(lane); {
		case err != nil:
			t.bad.add(fmt.Errorf("%q, line %d is no dead letter: %w", t.path, l.number, err))
			e.junk = true
			back = append(back, e)
		case stays:
			if full {
				t.full[lane.Sink]++
			}
			back = append(back, e)
		default:
			t.lanes[lane] = append(t.lanes[lane], e)
		}
	}
	return back, nil
}
