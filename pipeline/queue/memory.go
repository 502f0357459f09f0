package queue

import (
	"slices"
	"strings"
)

// Options.MaxBytes bounds what all lanes hold together. Half of it is
// divided evenly among the lanes, and each one's part is there for nobody else.
// The other half they have in common: who comes first has it, and while it is
// used up the lanes at which somebody is blocked for it stand in a list and take
// turns, by weight. One item always fits where a lane holds nothing.

// memory counts what the lanes hold, if that is bounded.
type memory struct {
	held   int64 // bytes of all lanes
	shared int64 // of them, those beyond the lanes' own parts
	gone   int64 // and those in work of lanes that are no more, which have no part
	own    int64 // each lane's part
	lanes  int   // that the half is divided by: not fewer than there are
}

// beyond is how many of the bytes that a lane holds are beyond its own part.
func (m *memory) beyond(held int64) int64 { return max(held-m.own, 0) }

// common is how many bytes the lanes have in common.
func (o *Options[T, K]) common() int64 { return o.MaxBytes - o.MaxBytes/2 }

// bookLocked notes that a lane holds n bytes more, or fewer.
func (q *Queue[T, K]) bookLocked(l *lane[T, K], n int64) {
	m := &q.memory
	m.held += n
	if l.gone {
		m.gone += n
		m.shared += n
		return
	}
	m.shared += m.beyond(l.held()) - m.beyond(l.held()-n)
}

// disownLocked takes from a lane that is about to go its part of the memory.
func (q *Queue[T, K]) disownLocked(l *lane[T, K]) {
	if q.o.MaxBytes > 0 {
		q.memory.gone += l.held()
		q.memory.shared += l.held() - q.memory.beyond(l.held())
	}
}

// divideLocked gives each lane its part again, once there are more lanes than
// that was meant for, or only half as many. It leaves an eighth for those
// to come: so it looks at all lanes at every eighth of their number at most.
func (q *Queue[T, K]) divideLocked() {
	m, n := &q.memory, len(q.lanes)
	if q.o.MaxBytes == 0 || n <= m.lanes && n > m.lanes/2 {
		return
	}
	was := m.own
	m.lanes = max(n+n/8, 1)
	m.own = q.o.MaxBytes / 2 / int64(m.lanes)
	m.shared = m.gone
	for _, l := range q.lanes {
		m.shared += m.beyond(l.held())
	}
	if m.own <= was {
		return
	}
	// What they have of their own may suffice now.
	var blocked []*lane[T, K]
	for _, l := range q.lanes {
		if l.isBlocking() {
			blocked = append(blocked, l)
		}
	}
	slices.SortFunc(blocked, func(a, b *lane[T, K]) int { return strings.Compare(a.name, b.name) })
	for _, l := range blocked {
		q.admitLocked(l)
	}
}

// isBlocking tells whether somebody waits for room in a lane.
func (l *lane[T, K]) isBlocking() bool {
	return l.offers[live].N+l.offers[snapshot].N+l.rooms.N > 0
}

// affordsLocked says whether the bound over all lanes lets an item of a size
// into a lane, in the place of one of another size.
func (q *Queue[T, K]) affordsLocked(l *lane[T, K], was, size int) verdict {
	growth, held := int64(size-was), l.held()
	m := &q.memory
	switch after := held + growth; {
	case q.o.MaxBytes == 0, growth <= 0, held == int64(was):
		return fitsOwn
	case m.beyond(after) > q.o.common():
		return laneFull // whatever the others do
	case m.held+growth > q.o.MaxBytes:
		return short
	case after <= m.own:
		return fitsOwn
	case m.shared+m.beyond(after)-m.beyond(held) > q.o.common():
		return short
	}
	return fitsShare
}

// stepLocked lets in the next offer that is blocked at a lane, and those who wait
// for room, if there is room. Only with common it takes of what the lanes have in
// common. It reports whether an offer was let in, and else whether that is all
// that is missing.
func (q *Queue[T, K]) stepLocked(l *lane[T, K], common bool) (progress, lacks bool) {
	if o := q.nextOfferLocked(l); o != nil {
		v := q.fitsOfferLocked(o)
		if v == fitsOwn || v == fitsShare && common {
			if l.offers[live].N > 0 && l.offers[snapshot].N > 0 {
				l.contested++
			}
			q.admitGroupLocked(o.entry)
			return true, false
		}
		lacks = v != laneFull
	}
	if l.rooms.N > 0 && l.offers[live].N == 0 {
		v := q.fitsBesideLocked(l, live, 1)
		if v == fitsOwn || v == fitsShare && common {
			l.tellRooms(nil)
		} else if v != laneFull {
			lacks = true
		}
	}
	return false, lacks
}

// admitLocked lets blocked offers in as far as there is room. Call it after
// anything that made room, once the entry at hand is settled.
func (q *Queue[T, K]) admitLocked(l *lane[T, K]) {
	if l.isBlocking() {
		progress, lacks := true, false
		for progress {
			// What is in common is given in turn while there are turns.
			progress, lacks = q.stepLocked(l, q.short.N == 0)
		}
		if lacks && l.want.List == nil {
			l.share = l.weight
			q.short.PushBack(&l.want)
		}
	}
	if q.short.N > 0 {
		q.shareLocked()
	}
}

// shareLocked gives what the lanes have in common to those that lack it, in
// turn.
func (q *Queue[T, K]) shareLocked() {
	for n := q.short.Head; n != nil; n = q.short.Head {
		l := n.Self
		switch progress, lacks := q.stepLocked(l, true); {
		case progress:
			if l.share--; l.share <= 0 {
				l.want.Leave()
				l.share = l.weight
				q.short.PushBack(&l.want)
			}
		case lacks:
			return
		default:
			l.want.Leave()
		}
	}
}
