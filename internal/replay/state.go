package replay

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
)

// State is what a sink knows: where its events lead.
type State struct {
	// Events counts those applied, and Repeated those among them that said only
	// what their predecessor about the same name had said.
	Events, Repeated int
	// OutOfOrder tells each event that came after a newer one about its name.
	OutOfOrder []string

	run   int
	names map[Object]*history // by Object without UID
}

// history is what the sink was told of one name.
type history struct {
	// live has the last version told of every UID that was not told to be gone.
	// More than one is right for nobody, but that is for Compare to find.
	live map[string]string

	// dead has the UIDs told to be gone, in whichever run: true once the program
	// had that stored as accepted.
	dead map[string]bool
	// newest is the newest version told of, be it of a state or of a deletion.
	newest string
	// stored is the newest version that the program had stored as accepted.
	stored struct{ clusterUID, version string }

	// The rest is for the order within one run.
	run        int
	gone       map[string]bool // UIDs told to be deleted
	past       map[string]bool // UIDs told of before the current one
	uid        string          // the current one
	deleted    bool
	clusterUID string
	version    string // the newest of clusterUID
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
func (s *State) StoredDeletion(o Object) { s.history(o).dead[o.UID] = true }

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
		h = &history{live: map[string]string{}, dead: map[string]bool{}, run: s.run}
		s.names[o] = h
	}
	return h
}

// Apply takes the next event.
func (s *State) Apply(e Event) {
	s.Events++
	h := s.history(e.Object)
	if h.run != s.run {
		*h = history{live: h.live, dead: h.dead, newest: h.newest, stored: h.stored, run: s.run}
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
		if _, told := h.dead[e.UID]; !told {
			h.dead[e.UID] = false
		}
		delete(h.live, e.UID)
	} else {
		h.live[e.UID] = e.ResourceVersion
	}
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
	if !e.Deleted && h.dead[e.UID] {
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
	case e.UID == h.uid && h.deleted && !e.Deleted:
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

// Difference is where a sink and the API servers disagree, in words, sorted.
type Difference struct {
	Missing, Ghosts []string
}

// Equal reports whether they agree.
func (d Difference) Equal() bool { return len(d.Missing) == 0 && len(d.Ghosts) == 0 }

// Compare compares the state with everything that the API servers hold of what
// was watched, each object with its resourceVersion. Where clusters are named,
// held is about those only, and what the sink has of others is left aside.
func (s *State) Compare(held map[Object]string, clusters ...string) Difference {
	var d Difference
	for object, version := range held {
		name := object
		name.UID = ""
		var told string
		if h := s.names[name]; h != nil {
			told = h.live[object.UID]
		}
		switch told {
		case version:
		case "":
			d.Missing = append(d.Missing, fmt.Sprintf("%s: the server has it, the sink does not", object))
		default:
			d.Missing = append(d.Missing, fmt.Sprintf("%s: the server has version %s, the sink %s", object, version, told))
		}
	}
	for object, h := range s.names {
		if len(clusters) > 0 && !slices.Contains(clusters, object.Cluster) {
			continue
		}
		for object.UID = range h.live {
			if _, ok := held[object]; !ok {
				d.Ghosts = append(d.Ghosts, fmt.Sprintf("%s: the sink has it, the server does not", object))
			}
		}
	}
	slices.Sort(d.Missing)
	slices.Sort(d.Ghosts)
	return d
}
