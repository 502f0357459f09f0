package queue_test

import "slices"

// What the model says about room in a lane.

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
func (m *model) fits(l *modelLane, id string, priority, size int) bool {
	n, was := 1, 0
	if p := l.present(id); p != nil {
		n, was, priority = 0, p.size, max(priority, p.priority)
		if size <= was || slices.ContainsFunc(l.aside, byID(id)) {
			return true
		}
	}
	growth := int64(size - was)
	count, bytes := m.sum(l, true)
	if others := count + n - 1; (others > 0 || bytes > int64(was)) && (n > 0 && count+n > m.capacity || bytes+growth > m.bytes) {
		return false
	}
	count, listed := m.sum(l, false)
	others := count + n - 1
	return priority >= 0 || others == 0 && listed <= int64(was) ||
		(n == 0 || count+n <= m.capacity*3/4) && listed+growth <= m.bytes/4*3
}
