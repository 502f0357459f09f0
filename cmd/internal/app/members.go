package app

import (
	"maps"
	"slices"
	"sync"

	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// members are what the fleet has told of. They stay when another engine takes the place
// of one: the fleet goes on, also while its hub is down. Its methods may be called by any
// goroutine.
type members struct {
	mu  sync.Mutex
	all map[string]fleet.Member
	to  fleet.Handler // nil: nobody is told
}

func newMembers() *members { return &members{all: map[string]fleet.Member{}} }

// Set implements fleet.Handler.
func (m *members) Set(member fleet.Member) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all[member.Name] = member
	if m.to != nil {
		m.to.Set(member)
	}
}

// get returns a member, or an empty one if there is none of that name.
func (m *members) get(name string) fleet.Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all[name]
}

// Remove implements fleet.Handler.
func (m *members) Remove(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, name)
	if m.to != nil {
		m.to.Remove(name)
	}
}

// names returns the members' names, in no order.
func (m *members) names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.all))
}

// of returns what the fleet has told of a member.
func (m *members) of(name string) (fleet.Member, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	member, ok := m.all[name]
	return member, ok
}

// attach tells to of all members, and then of what changes.
func (m *members) attach(to fleet.Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.to = to
	for _, name := range slices.Sorted(maps.Keys(m.all)) {
		to.Set(m.all[name])
	}
}

// detach has nobody told any more.
func (m *members) detach() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.to = nil
}

// labels returns those of a member, nil if it has none.
func (m *members) labels(name string) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all[name].Labels
}
