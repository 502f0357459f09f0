package queue_test

import (
	"maps"
	"slices"
)

// What the model says about room: in a lane, and in all of them together.

type fit int

const (
	full    fit = iota // the lane is
	lacking            // memory is
	shared             // there is room, of what the lanes have in common
	own                // there is room, of the lane's own
)

// sum counts what waits, is delayed and in work: its number, without what is in
// work, and its bytes. Without live, only what is of the snapshot class.
func (m *model) sum(l *modelLane, live bool) (n int, bytes int64) {
	for _, i := range slices.Concat(l.line, l.parked, l.delayed) {
		if live || i.priority < 0 {
			n++
			bytes += int64(i.size)
		}
	}
	for _, w := range m.inWork {
		if w.l == l && (live || w.priority < 0) {
			bytes += int64(w.size)
		}
	}
	return n, bytes
}

// fits says whether an item has room in a lane, in the place of what is there of
// its identity or beside the others.
func (m *model) fits(l *modelLane, id string, priority, size int) fit {
	n, was := 1, 0
	if p := l.present(id); p != nil {
		n, was, priority = 0, p.size, max(priority, p.priority)
		if size <= was {
			return own
		}
	}
	growth := int64(size - was)
	count, bytes := m.sum(l, true)
	if others := count + n - 1; (others > 0 || bytes > int64(was)) && (n > 0 && count+n > m.capacity || bytes+growth > m.bytes) {
		return full
	}
	count, listed := m.sum(l, false)
	if others := count + n - 1; priority < 0 && (others > 0 || listed > int64(was)) &&
		(n > 0 && count+n > m.capacity*3/4 || listed+growth > m.bytes/4*3) {
		return full
	}
	if m.memory == 0 || growth <= 0 || bytes == int64(was) {
		return own
	}
	common, part := m.memory-m.memory/2, m.memory/2/int64(m.parts)
	all, beyond := m.used(part)
	after := max(bytes+growth-part, 0)
	switch {
	case after > common:
		return full
	case all+growth > m.memory:
		return lacking
	case after == 0:
		return own
	case beyond-max(bytes-part, 0)+after > common:
		return lacking
	}
	return shared
}

// used sums up what all lanes hold, and what of it is beyond their parts.
func (m *model) used(part int64) (all, beyond int64) {
	for _, l := range m.lanes {
		_, bytes := m.sum(l, true)
		all += bytes
		beyond += max(bytes-part, 0)
	}
	for _, w := range m.inWork {
		if w.l.gone {
			all += int64(w.size)
			beyond += int64(w.size)
		}
	}
	return all, beyond
}

// divide gives each lane its part anew, if there are many more or fewer.
func (m *model) divide() {
	n := len(m.lanes)
	if m.memory == 0 || n <= m.parts && n > m.parts/2 {
		return
	}
	grows := m.parts > 0 && n < m.parts
	m.parts = max(n+n/8, 1)
	if !grows {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(m.lanes)) {
		m.admit(m.lanes[name])
	}
}
