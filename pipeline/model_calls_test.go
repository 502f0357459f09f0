package pipeline_test

import (
	"cmp"
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// The model's calls that may block: Offer, RemoveCluster, Stop,
// ShutDownWithDrain. And the passing of time.

// takeOffers ends the blocking of all offers of an identity.
func (m *model) takeOffers(l *modelLane, id string) (taken []modelOffer) {
	had := len(l.offers)
	l.offers = slices.DeleteFunc(l.offers, func(o modelOffer) bool {
		if o.id() != id {
			return false
		}
		taken = append(taken, o)
		m.event("%s: <nil>", o.label)
		return true
	})
	m.unblock(l, had)
	return taken
}

func (m *model) unblock(l *modelLane, had int) {
	if had > 0 && len(l.offers) == 0 {
		l.Blocked += m.now.Sub(l.blockedSince)
	}
}

func (m *model) admit(l *modelLane) {
	for len(l.offers) > 0 {
		live := slices.IndexFunc(l.offers, func(o modelOffer) bool { return o.priority >= 0 })
		low := slices.IndexFunc(l.offers, func(o modelOffer) bool { return o.priority < 0 })
		head, both := max(live, 0), live >= 0 && low >= 0
		if both && (l.contested+1)%8 == 0 {
			// The snapshot's turn, unless only its share of the lane is used up.
			if id, priority, size := m.group(l, low); m.fitsAtAll(l, id, priority, size) || !m.fitsAtAll(l, id, 0, size) {
				head = low
			}
		}
		id, priority, size := m.group(l, head)
		if !m.fitsAtAll(l, id, priority, size) {
			return
		}
		if both {
			l.contested++
		}
		m.admitOffers(l, id)
	}
}

// group returns what the offers of the identity of one offer amount to.
func (m *model) group(l *modelLane, at int) (id string, priority, size int) {
	id, priority = l.offers[at].id(), l.offers[at].priority
	for _, o := range l.offers {
		if o.id() == id {
			priority, size = max(priority, o.priority), o.size
		}
	}
	return id, priority, size
}

func (m *model) fitsAtAll(l *modelLane, id string, priority, size int) bool {
	if w := l.waiting(id); w != nil {
		return m.fitsInPlace(l, w, priority, size)
	}
	return m.fits(l, priority, size)
}

func (m *model) admitOffers(l *modelLane, id string) {
	offers := m.takeOffers(l, id)
	if len(offers) == 0 {
		return
	}
	priority := offers[0].priority
	for _, o := range offers {
		priority = max(priority, o.priority)
	}
	l.Added += uint64(len(offers) - 1)
	l.Coalesced += uint64(len(offers) - 1)
	m.replace(l, offers[len(offers)-1].state, priority)
}

func (m *model) offer(label string, s state, priority int) {
	l, err := m.arrive(s)
	if err != nil {
		m.event("%s: %v", label, err)
		return
	}
	ahead := slices.ContainsFunc(l.offers, func(o modelOffer) bool { return priority < 0 || o.priority >= 0 })
	w := l.waiting(s.id())
	if w != nil && m.fitsInPlace(l, w, priority, s.size) || w == nil && !ahead && m.fits(l, priority, s.size) {
		m.put(l, s, priority)
		m.event("%s: <nil>", label)
		return
	}
	if len(l.offers) == 0 {
		l.blockedSince = m.now
	}
	l.offers = append(l.offers, modelOffer{modelItem{state: s, priority: priority}, label})
}

func (m *model) cancelOffer(label string) {
	for _, l := range m.lanes {
		had := len(l.offers)
		l.offers = slices.DeleteFunc(l.offers, func(o modelOffer) bool { return o.label == label })
		if len(l.offers) < had {
			m.unblock(l, had)
			m.event("%s: canceled", label)
			m.admit(l)
		}
	}
}

// idle reports whether nothing waits or is in work.
func (m *model) idle() bool {
	for _, l := range m.lanes {
		if len(l.line)+len(l.parked) > 0 {
			return false
		}
	}
	return len(m.inWork) == 0
}

func (m *model) free(l *modelLane) {
	if !l.gone {
		l.gone = true
		delete(m.lanes, l.name)
		m.buckets.Forget(l.name)
	}
}

// empty drops all that waits and is delayed in a lane.
func (m *model) empty(l *modelLane) (ids []string) {
	for _, i := range slices.Concat(l.line, l.parked, l.delayed) {
		ids = append(ids, i.id())
	}
	l.line, l.parked, l.delayed = nil, nil, nil
	m.unthrottle(l)
	m.turns = slices.DeleteFunc(m.turns, func(o *modelLane) bool { return o == l })
	return ids
}

func (m *model) refuseOffers(l *modelLane, err error) {
	for len(l.offers) > 0 {
		o := l.offers[0]
		l.offers = l.offers[1:]
		m.unblock(l, 1)
		m.event("%s: %v", o.label, err)
	}
}

func (m *model) remove(label, name string) {
	l := m.lanes[name]
	if l == nil {
		m.buckets.Forget(name)
		m.event("%s: <nil>", label)
		return
	}
	if !l.leaving {
		l.leaving = true
		m.refuseOffers(l, pipeline.ErrClusterRemoved)
		for _, id := range m.empty(l) {
			l.DroppedRemoved++
			m.limiter.Forget(id)
		}
	}
	if l.InWork > 0 {
		m.removals[l] = append(m.removals[l], label)
		return
	}
	m.free(l)
	m.event("%s: <nil>", label)
}

func (m *model) cancelRemoval(label string) {
	for l, labels := range m.removals {
		if i := slices.Index(labels, label); i >= 0 {
			m.removals[l] = slices.Delete(labels, i, i+1)
			m.free(l)
			m.event("%s: canceled", label)
		}
	}
}

func (m *model) unthrottle(l *modelLane) {
	if l.throttled {
		l.throttled = false
		l.Throttled += m.now.Sub(l.since)
		m.enter(l)
	}
}

// setShut stops the intake.
func (m *model) setShut() {
	if m.shut {
		return
	}
	m.shut = true
	for _, l := range m.lanes {
		m.refuseOffers(l, pipeline.ErrShuttingDown)
		m.lost += len(l.delayed)
		l.DroppedShutdown += uint64(len(l.delayed))
		l.delayed = nil
	}
}

// shutDown is ShutDown.
func (m *model) shutDown() {
	m.setShut()
	if m.drops {
		m.dropAll()
	}
	m.serve()
	m.settle(true)
}

func (m *model) dropAll() {
	for _, l := range m.lanes {
		n := len(m.empty(l))
		m.lost += n
		l.DroppedShutdown += uint64(n)
	}
}

func (m *model) unthrottleAll() {
	lanes := m.allLanes()
	slices.SortFunc(lanes, func(a, b *modelLane) int {
		return cmp.Or(a.until.Compare(b.until), cmp.Compare(a.seq, b.seq))
	})
	for _, l := range lanes {
		m.unthrottle(l)
	}
}

// settle ends what waits for the queue to be idle, if it is or if it must.
func (m *model) settle(force bool) {
	if !force && !m.idle() {
		return
	}
	for _, label := range m.drains {
		m.event("%s: drained", label)
	}
	m.drains = nil
	for len(m.stops) > 0 {
		m.finishStop(m.stops[0])
	}
}

func (m *model) finishStop(label string) {
	m.stops = slices.DeleteFunc(m.stops, func(s string) bool { return s == label })
	m.dropAll()
	m.event("%s: left %d", label, m.lost+len(m.inWork))
}

// sleep lets d pass, stopping wherever something is due.
func (m *model) sleep(d time.Duration) {
	end := m.now.Add(d)
	for {
		next := end
		for _, l := range m.lanes {
			for _, i := range l.delayed {
				if i.due.Before(next) {
					next = i.due
				}
			}
			if l.throttled && l.until.Before(next) {
				next = l.until
			}
		}
		m.now = next
		m.tick()
		m.serve()
		m.settle(false)
		if next.Equal(end) {
			return
		}
	}
}

func (m *model) tick() {
	var due []modelItem
	for _, l := range m.lanes {
		l.delayed = slices.DeleteFunc(l.delayed, func(i modelItem) bool {
			if i.due.After(m.now) {
				return false
			}
			due = append(due, i)
			return true
		})
	}
	slices.SortFunc(due, func(a, b modelItem) int { return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.seq, b.seq)) })
	for _, i := range due {
		l := m.lanes[i.cluster]
		m.join(l, i)
		m.admitOffers(l, i.id())
		m.admit(l)
	}
	lanes := m.allLanes()
	slices.SortFunc(lanes, func(a, b *modelLane) int { return cmp.Or(a.until.Compare(b.until), cmp.Compare(a.seq, b.seq)) })
	for _, l := range lanes {
		if !l.until.After(m.now) {
			m.unthrottle(l)
		}
	}
}
