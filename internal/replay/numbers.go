package replay

import (
	"fmt"
	"strconv"
	"strings"
)

// Numbers checks the terms and sequences of events, in the order in which a sink
// received them.
type Numbers struct {
	// OutOfOrder tells each event without a number, each number that tells of two
	// things, and each that is lower than one before it about the same name, unless
	// it is a repeat: who orders by number would not know of that event, however
	// new it is.
	OutOfOrder []string

	names map[Object]*numbered // by Object without UID
}

// numbered is what the numbers of one name have told of.
type numbered struct {
	highest string
	told    map[string]Event // without data; of several deletions of one number any
}

// NewNumbers returns a check that has seen nothing.
func NewNumbers() *Numbers { return &Numbers{names: map[Object]*numbered{}} }

// Apply takes the next event.
func (n *Numbers) Apply(e Event) {
	outOfOrder := func(why string, args ...any) {
		n.OutOfOrder = append(n.OutOfOrder, fmt.Sprintf("%s, %s: %s", e.Object, e.word(), fmt.Sprintf(why, args...)))
	}
	if e.Term == "" || e.Sequence == "" {
		outOfOrder("it has no term or no sequence")
		return
	}
	name := e.Object
	name.UID = ""
	h := n.names[name]
	if h == nil {
		h = &numbered{told: map[string]Event{}}
		n.names[name] = h
	}
	e.Data = nil
	had, again := h.told[e.number()]
	switch {
	case again && had.ID != e.ID && !(had.Deleted && e.Deleted):
		outOfOrder("its number %s is that of %s, too", e.number(), had.ID)
	case !again && e.number() < h.highest:
		outOfOrder("its number %s comes after %s, which is %s", e.number(), h.highest, h.told[h.highest].ID)
	}
	h.highest = max(h.highest, e.number())
	h.told[e.number()] = e
}

// generation is what the id says of it behind the version, 0 where it says nothing.
func (e *Event) generation() uint64 {
	parts := strings.Split(e.ID, "/") // group, version, resource, uid, resourceVersion, and what follows it
	digits, ok := strings.CutPrefix(parts[len(parts)-1], "g")
	if !ok || len(parts) < 6 {
		return 0
	}
	g, _ := strconv.ParseUint(digits, 10, 32)
	return g
}
