package replay

import (
	"fmt"
	"io"
	"iter"
	"strconv"
)

// State is what a sink knows: where its events lead.
type State struct {
	// Events counts those applied, and Repeated those among them that said only
	// what their predecessor about the same name had said.
	Events, Repeated int
	// OutOfOrder tells each event that came after a newer one about its name.
	OutOfOrder []string
	// Selective says that objects may leave what is selected, which is told as their
	// deletion, and come back to it: with a later version, or, where the selection is
	// another one, in a later generation. Otherwise a deletion is the last of a UID.
	Selective bool

	run   int
	names map[Object]*history // by Object without UID
}

// history is what the sink was told of one name.
type history struct {
	// live has the last version told of every UID that was not told to be gone.
	// More than one is right for nobody, but that is for Compare to find.
	live map[string]string

	// dead has the UIDs told to be gone, in whichever run.
	dead map[string]death
	// newest is the newest version told of, be it of a state or of a deletion.
	newest string
	// stored is the newest version that the program had stored as accepted.
	stored struct{ clusterUID, version string }
	// generation is the latest told of.
	generation uint64

	// The rest is for the order within one run.
	run        int
	gone       map[string]bool // UIDs told to be deleted, and not to be there again
	past       map[string]bool // UIDs told of before the current one
	uid        string          // the current one
	deleted    bool
	clusterUID string
	version    string // the newest of clusterUID
}

// death is how a UID was told to be gone for the last time.
type death struct {
	stored     bool // the program had it stored as accepted
	version    string
	generation uint64
}

// New returns the state of a sink that was told nothing.
func New() *State {
	return &State{names: map[Object]*history{}}
}

// Read applies every whole line of r.
func (s *State) Read(r io.Reader) error {
	var lines Lines
	return lines.Read(r, func(line []byte) error {
		e, err := Parse(line)
		if err == nil {
			s.Apply(e)
		}
		return err
	})
}

// NewRun says that the events from here on come from a program that was started
// anew. It may repeat, in order, the last that its predecessor delivered.
func (s *State) NewRun() { s.run++ }

// Stored says that the program that is started next finds a version of the
// object, or of its deletion, stored as accepted by every sink: what it delivers
// about that name must not be older.
func (s *State) Stored(o Object, clusterUID, version string) {
	h := s.history(o)
	if h.stored.clusterUID != clusterUID || compareVersions(version, h.stored.version) > 0 {
		h.stored.clusterUID, h.stored.version = clusterUID, version
	}
}

// StoredDeletion says that the program that is started next finds it stored that
// every sink has accepted the deletion of an object: it must not deliver it again.
func (s *State) StoredDeletion(o Object) {
	h := s.history(o)
	d := h.dead[o.UID]
	d.stored = true
	h.dead[o.UID] = d
}

// Gone yields every object that the sink was told to be gone.
func (s *State) Gone() iter.Seq[Object] {
	return func(yield func(Object) bool) {
		for object, h := range s.names {
			for object.UID = range h.dead {
				if !yield(object) {
					return
				}
			}
		}
	}
}

// Has reports whether the sink was told of that version of an object's name, of a
// newer one, or of a deletion at that time or later.
func (s *State) Has(o Object, version string) bool {
	newest := s.history(o).newest
	return newest != "" && compareVersions(newest, version) >= 0
}

// Live yields every object that the sink was told of and not told to be gone.
func (s *State) Live() iter.Seq[Object] {
	return func(yield func(Object) bool) {
		for object, h := range s.names {
			for object.UID = range h.live {
				if !yield(object) {
					return
				}
			}
		}
	}
}

// history returns what the sink was told of an object's name.
func (s *State) history(o Object) *history {
	o.UID = ""
	h := s.names[o]
	if h == nil {
		h = &history{live: map[string]string{}, dead: map[string]death{}, run: s.run}
		s.names[o] = h
	}
	return h
}

// Apply takes the next event.
func (s *State) Apply(e Event) {
	s.Events++
	h := s.history(e.Object)
	if h.run != s.run {
		*h = history{live: h.live, dead: h.dead, newest: h.newest, stored: h.stored, generation: h.generation, run: s.run}
	}
	if g := e.generation(); s.Selective && g > h.generation {
		// The versions up to now may come again. What was stored may be one of a list,
		// which no longer held an object that was not selected any more.
		h.generation = g
		h.stored.clusterUID, h.stored.version = "", ""
	}
	s.checkOrder(h, &e)
	if compareVersions(e.ResourceVersion, h.newest) > 0 {
		h.newest = e.ResourceVersion
	}
	if e.Deleted {
		if h.gone == nil {
			h.gone = map[string]bool{}
		}
		h.gone[e.UID] = true
		h.dead[e.UID] = death{h.dead[e.UID].stored, e.ResourceVersion, e.generation()}
		delete(h.live, e.UID)
		return
	}
	h.live[e.UID] = e.ResourceVersion
	if s.mayReturn(h, &e) {
		delete(h.gone, e.UID)
		delete(h.dead, e.UID)
	}
}

// mayReturn reports whether e is the return of an object to what is selected.
func (s *State) mayReturn(h *history, e *Event) bool {
	d, gone := h.dead[e.UID]
	return s.Selective && gone && !e.Deleted && (e.generation() > d.generation || compareVersions(e.ResourceVersion, d.version) > 0)
}

// checkOrder compares e with what came before it about the same name in this run.
func (s *State) checkOrder(h *history, e *Event) {
	outOfOrder := func(why string, args ...any) {
		s.OutOfOrder = append(s.OutOfOrder, fmt.Sprintf("event %d: %s, %s: %s", s.Events, e.Object, e.word(), fmt.Sprintf(why, args...)))
	}
	if e.Deleted && h.gone[e.UID] {
		// A sink that has lost its answer gets a deletion again together with what
		// has followed it. It has the same id, so whoever has seen it can tell.
		s.Repeated++
		return
	}
	returns := s.mayReturn(h, e)
	if !e.Deleted && h.dead[e.UID].stored && !returns {
		outOfOrder("although its deletion was stored as accepted")
		return
	}
	if h.past[e.UID] {
		outOfOrder("but its name has gone to %s", h.uid)
		return
	}
	// A tombstone carries the version of what made Fairlead write it.
	age := 0
	if !e.Tombstone && h.stored.clusterUID == e.ClusterUID && compareVersions(e.ResourceVersion, h.stored.version) < 0 {
		outOfOrder("although version %s was stored as accepted", h.stored.version)
		return
	}
	if !e.Tombstone && h.clusterUID == e.ClusterUID {
		age = compareVersions(e.ResourceVersion, h.version)
	}
	switch {
	case e.UID != h.uid && e.Deleted && h.uid != "" && !h.deleted:
		outOfOrder("but its name belongs to %s, which is not deleted", h.uid)
		return
	case e.UID == h.uid && h.deleted && !e.Deleted && !returns:
		outOfOrder("after its deletion")
		return
	case age < 0:
		outOfOrder("after version %s", h.version)
		return
	case e.UID == h.uid && !e.Deleted && age == 0:
		s.Repeated++
	}
	if e.UID != h.uid && h.uid != "" {
		if h.past == nil {
			h.past = map[string]bool{}
		}
		if e.Deleted { // the name is nobody's, and may be either's again
			h.past[e.UID] = !s.Selective
			return
		}
		h.past[h.uid] = true
	}
	h.uid, h.deleted = e.UID, e.Deleted
	if !e.Tombstone {
		h.clusterUID, h.version = e.ClusterUID, e.ResourceVersion
	}
}

func (e *Event) word() string {
	if e.Deleted {
		return "deleted"
	}
	return "version " + e.ResourceVersion
}

// compareVersions is cmp.Compare for resourceVersions of one resource in one
// cluster. What is no number is not older than anything.
func compareVersions(a, b string) int {
	x, errA := strconv.ParseUint(a, 10, 64)
	y, errB := strconv.ParseUint(b, 10, 64)
	switch {
	case errA != nil || errB != nil:
		return 1
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// Compare compares the state with everything that the API servers hold of what
// was watched, each object with its resourceVersion. Where clusters are named,
// held is about those only, and what the sink has of others is left aside.
func (s *State) Compare(held map[Object]string, clusters ...string) Difference {
	return Compare(s.Objects(), held, clusters...)
}

// Objects returns a copy of what the sink knows, each object with its version.
func (s *State) Objects() map[Object]string {
	live := map[Object]string{}
	for object, h := range s.names {
		for uid, version := range h.live {
			object.UID = uid
			live[object] = version
		}
	}
	return live
}
