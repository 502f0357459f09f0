package queue_test

import (
	"maps"
	"slices"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// What the model says about what is held.

func (m *model) holds(cluster string) bool { return m.held.All || m.held.Clusters[cluster] }

func (m *model) isHeld(s state) bool { return m.held.Items != nil && m.held.Items(s) }

// hold is Hold, while no Offer waits for what is held: when those look again, and when the lanes
// change, has no order.
func (m *model) hold(h queue.Hold[state]) {
	m.held = h
	for _, name := range slices.Sorted(maps.Keys(m.lanes)) {
		l := m.lanes[name]
		m.holdItems(l)
		l.Held = m.holds(name)
		if l.Held {
			m.turns = slices.DeleteFunc(m.turns, func(o *modelLane) bool { return o == l })
		}
		m.enter(l)
		if m.shut {
			m.dropHeld(l)
		}
		m.admit(l)
		m.forget(l)
	}
	m.settle(false)
}

// holdItems lets go of what stands aside in a lane, and has what is held stand aside, the live
// ones first. The lane keeps the turn that it has.
func (m *model) holdItems(l *modelLane) {
	for _, i := range slices.Clone(l.aside) {
		if !m.isHeld(i.state) {
			l.aside = slices.DeleteFunc(l.aside, byID(i.id()))
			m.join(l, i)
			m.merge(l, i.id(), false)
		}
	}
	for _, low := range []bool{false, true} {
		l.line = slices.DeleteFunc(l.line, func(i modelItem) bool {
			held := (i.priority < 0) == low && m.isHeld(i.state)
			if held {
				l.aside = append(l.aside, i)
			}
			return held
		})
	}
}

// dropHeld drops what is held of a lane.
func (m *model) dropHeld(l *modelLane) {
	n := len(l.aside)
	for _, i := range l.aside {
		m.discard(i.state)
	}
	l.aside = nil
	if l.Held {
		n += len(m.empty(l))
	}
	m.lost += n
	l.DroppedShutdown += uint64(n)
}

// lookAgain is what Offers do that wait for what is held when something has changed.
func (m *model) lookAgain() {
	waiters := m.waiters
	m.waiters = nil
	for _, o := range waiters {
		m.offer(o.label, o.state, o.priority)
	}
}

func (m *model) cancelWaiter(label string) {
	if i := slices.IndexFunc(m.waiters, func(o modelOffer) bool { return o.label == label }); i >= 0 {
		m.waiters = slices.Delete(m.waiters, i, i+1)
		m.event("%s: canceled", label)
	}
}
