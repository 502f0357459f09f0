package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/replay"
)

// records are what the writers wrote, as far as its order is known: the versions
// of each name. The checker's end result needs none of it; it is for finding out at
// each kill what could be lost, not only what was.
type records struct {
	// selective says that what is selected changes.
	selective bool

	mu sync.Mutex
	of map[replay.Object][]record // by Object without UID, in their order
}

// record is one write.
type record struct {
	version uint64 // 0: not known, as that of every deletion
	colour  string
	again   bool // an earlier attempt may have written another colour
}

// owed is a version that a sink must have, or a newer one of that name.
type owed struct {
	object  replay.Object
	version string
}

func newRecords(selective bool) *records {
	return &records{selective: selective, of: map[replay.Object][]record{}}
}

// add notes a write; the version is empty if it is not known. It was tried before, if it is
// made again.
func (r *records) add(o replay.Object, version, colour string, again bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of[o] = append(r.of[o], record{number(version), colour, again})
}

// number returns a version as a number, 0 if it is none.
func number(version string) uint64 {
	v, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0
	}
	return v
}

// owed returns what a program with this ledger will never look at again, because
// its resume points have passed it: every sink must have it. Names that were
// deleted close to a resume point are left out, because it is not known on which
// side; and so is what the sink has refused for good, and what is not selected at
// any time. A process that ended before it delivered may have noted a later state than
// that which is passed: then the watch has still to show it, and only it is delivered.
// A sink that gets changes of the colour only must have the first version of that colour
// since the object was created.
func (r *records) owed(stored []ledger.Dump, refused []refusal, f filter) []owed {
	newest := map[replay.Object]uint64{}
	for _, f := range refused {
		if v, err := strconv.ParseUint(f.Version, 10, 64); err == nil {
			newest[f.Object] = max(newest[f.Object], v)
		}
	}
	resume := map[streamID]uint64{}
	for _, d := range stored {
		at, err := strconv.ParseUint(d.Resume, 10, 64)
		if err != nil {
			at = 0
		}
		id := streamID{d.ID.Cluster, d.ID.Resource}
		if other, ok := resume[id]; ok { // of what was selected before
			at = min(at, other)
		}
		resume[id] = at
		for name, o := range d.Objects {
			if v, err := strconv.ParseUint(o.Intended, 10, 64); err == nil && v > at {
				object := replay.Object{Cluster: d.ID.Cluster, Resource: d.ID.Resource, Namespace: name.Namespace, Name: name.Name}
				newest[object] = max(newest[object], v)
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []owed
	for o, written := range r.of {
		at := resume[streamID{o.Cluster, o.Resource}]
		last := -1
		for i, w := range written {
			if w.version > 0 && w.version <= at {
				last = i
			}
		}
		if last < 0 || last+1 < len(written) && written[last+1].version == 0 {
			continue
		}
		if written[last].version <= newest[o] {
			continue
		}
		for f.changed && last > 0 && written[last-1].version > 0 && written[last-1].colour == written[last].colour && !written[last].again {
			last--
		}
		if f.changed {
			// Another colour may have come and gone unseen. Then the sink has what it had
			// of this one before.
			first, again := last, written[last].again
			for i := last - 1; i >= 0 && written[i].version > 0; i-- {
				if again = again || written[i].again; written[i].colour == written[last].colour {
					first = i
				}
			}
			if again { // of a lost answer
				continue
			}
			last = first
		}
		if f.where && written[last].colour != red {
			continue
		}
		if r.selective && (o.Namespace != writtenTo[0] || written[last].colour != red) {
			continue
		}
		all = append(all, owed{o, strconv.FormatUint(written[last].version, 10)})
	}
	return all
}

// refusal is a state that the sink has refused for good. It is for the operator to
// send it again.
type refusal struct {
	Object  replay.Object `json:"object"` // without UID
	Version string        `json:"version"`
}

// readRefusals reads what a sink has noted. A line that a kill has torn is none.
func readRefusals(path string) ([]refusal, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read what the sink has refused: %w", err)
	}
	var all []refusal
	for line := range bytes.Lines(text) {
		var r refusal
		if err := json.Unmarshal(line, &r); err == nil {
			all = append(all, r)
		}
	}
	return all, nil
}
