package simserver

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"sync"
)

// Member is one simulated cluster.
type Member struct {
	server    *Server
	index     int
	name      string
	resources []*collection // as Server.resources

	mu      sync.Mutex
	version uint64 // the newest resourceVersion, of all resources together
}

// collection is the objects of one resource of one member.
type collection struct {
	member   *Member
	resource resource
	index    int

	// Guarded by member.mu:
	objects []object
	events  []event       // the last ones, oldest first
	first   uint64        // number of events[0]
	before  uint64        // version of the event before events[0], or of the start
	changed chan struct{} // closed with the next event
}

// object is what is remembered of an object: everything else follows from it.
type object struct {
	number  int
	version uint64 // its resourceVersion
	life    uint32 // how often it was made anew: part of its UID
	gone    bool
}

// event is one change that a watch tells of.
type event struct {
	kind   string // ADDED, MODIFIED or DELETED
	object object
}

func newMember(s *Server, index int) *Member {
	m := &Member{server: s, index: index, name: fmt.Sprintf("cluster-%04d", index)}
	for i, r := range s.resources {
		c := &collection{member: m, resource: r, index: i, changed: make(chan struct{})}
		for n := range s.objects(i) {
			m.version++
			c.objects = append(c.objects, object{number: n, version: m.version})
		}
		m.resources = append(m.resources, c)
	}
	m.version = max(m.version, 1)
	for _, c := range m.resources {
		c.before = m.version
	}
	return m
}

// Touch changes an object, by its number from zero; one that was deleted, or was
// not there yet, is made. It returns the resourceVersion. It panics if the
// member does not have the resource.
func (m *Member) Touch(resource string, number int) (version string) {
	return m.change(resource, number, false)
}

// Delete deletes an object, and returns the resourceVersion of its deletion. One
// that is not there stays so.
func (m *Member) Delete(resource string, number int) (version string) {
	return m.change(resource, number, true)
}

func (m *Member) change(resource string, number int, remove bool) string {
	i := slices.Index(m.server.o.Resources, resource)
	if i < 0 {
		panic(fmt.Sprintf("simserver: %s has no resource %q", m.name, resource))
	}
	c := m.resources[i]
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := len(c.objects); n <= number; n++ {
		c.objects = append(c.objects, object{number: n, gone: true})
	}
	o := &c.objects[number]
	if o.gone && remove {
		return strconv.FormatUint(m.version, 10)
	}
	kind := "MODIFIED"
	switch {
	case remove:
		kind, o.gone = "DELETED", true
	case o.gone:
		kind, o.gone = "ADDED", false
		o.life++
	}
	m.version++
	o.version = m.version
	c.tellLocked(event{kind, *o})
	return strconv.FormatUint(m.version, 10)
}

func (c *collection) tellLocked(e event) {
	// Dropping half a window at a time keeps the copying small; what is still
	// there is never less than the window.
	if window := c.member.server.o.Window; len(c.events) >= 2*window {
		c.before = c.events[window-1].object.version
		c.events = append(c.events[:0], c.events[window:]...)
		c.first += uint64(window)
	}
	c.events = append(c.events, e)
	close(c.changed)
	c.changed = make(chan struct{})
}

// present returns the objects that exist, and the version that this is of.
func (c *collection) present() ([]object, uint64) {
	c.member.mu.Lock()
	defer c.member.mu.Unlock()
	objects := make([]object, 0, len(c.objects))
	for _, o := range c.objects {
		if !o.gone {
			objects = append(objects, o)
		}
	}
	return objects, c.member.version
}

// find returns an object by its number.
func (c *collection) find(number int) (object, bool) {
	c.member.mu.Lock()
	defer c.member.mu.Unlock()
	if number < 0 || number >= len(c.objects) || c.objects[number].gone {
		return object{}, false
	}
	return c.objects[number], true
}

// position returns the number of the first event that is newer than a version,
// or false if that has left the window.
func (c *collection) position(version uint64) (next uint64, ok bool) {
	c.member.mu.Lock()
	defer c.member.mu.Unlock()
	if version < c.before {
		return 0, false
	}
	i, _ := slices.BinarySearchFunc(c.events, version+1, func(e event, v uint64) int { return cmp.Compare(e.object.version, v) })
	return c.first + uint64(i), true
}

// after copies the events from number next on into events, as far as it has room.
// If there are none, changed is closed with the next one; version is then the
// newest of the member. It returns false if they have left the window.
func (c *collection) after(next uint64, events []event) (n int, version uint64, changed <-chan struct{}, ok bool) {
	c.member.mu.Lock()
	defer c.member.mu.Unlock()
	if next < c.first {
		return 0, 0, nil, false
	}
	return copy(events, c.events[next-c.first:]), c.member.version, c.changed, true
}
