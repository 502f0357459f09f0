package queue_test

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// The model's calls that may block: Offer, RemoveCluster, Stop,
// ShutDownWithDrain. And the passing of time.

// takeOffers ends the blocking of some offers.
func (m *model) takeOffers(l *modelLane, which func(modelOffer) bool) (taken []modelOffer) {
	had := len(l.offers)
	l.offers = slices.DeleteFunc(l.offers, func(o modelOffer) bool {
		if !which(o) {
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

// step admits what is next at a lane, if there is room.
func (m *model) step(l *modelLane) (progress bool) {
	if len(l.offers) > 0 {
		live := slices.IndexFunc(l.offers, func(o modelOffer) bool { return o.priority >= 0 })
		low := slices.IndexFunc(l.offers, func(o modelOffer) bool { return o.priority < 0 })
		head, both := max(live, 0), live >= 0 && low >= 0
		if both && (l.contested+1)%8 == 0 {
			// The snapshot's turn, unless only its share of the lane is used up.
			if id, priority, s := m.group(l, low); m.fits(l, id, priority, s.size) || !m.fits(l, id, 0, s.size) {
				head = low
			}
		}
		id, priority, s := m.group(l, head)
		if m.fits(l, id, priority, s.size) {
			if both {
				l.contested++
			}
			m.admitOffers(l, id)
			return true
		}
	}
	ahead := slices.ContainsFunc(l.offers, func(o modelOffer) bool { return o.priority >= 0 })
	if len(l.rooms) > 0 && !ahead && m.fits(l, "nobody's", 0, 1) {
		m.tellRooms(l, nil)
	}
	return false
}

func (m *model) tellRooms(l *modelLane, err error) {
	for _, label := range l.rooms {
		m.event("%s: %v", label, err)
	}
	l.rooms = nil
}

func (m *model) admit(l *modelLane) {
	for m.step(l) {
	}
}

// group returns what the offers of the identity of one offer amount to.
func (m *model) group(l *modelLane, at int) (id string, priority int, newest state) {
	id, priority, newest = l.offers[at].id(), l.offers[at].priority, l.offers[at].state
	for _, o := range l.offers {
		if o.id() != id {
			continue
		}
		priority = max(priority, o.priority)
		if !m.newer || o.version >= newest.version {
			newest = o.state
		}
	}
	return id, priority, newest
}

// merge settles the offers of an identity with what has just come.
func (m *model) merge(l *modelLane, id string, arrived bool) {
	p := l.present(id)
	if p == nil {
		return
	}
	older := m.takeOffers(l, func(o modelOffer) bool {
		return o.id() == id && (!m.newer && arrived || m.newer && o.version <= p.version)
	})
	m.supersede(l, older)
	if at := slices.IndexFunc(l.offers, func(o modelOffer) bool { return o.id() == id }); at >= 0 {
		_, priority, s := m.group(l, at)
		if m.fits(l, id, priority, s.size) {
			m.admitOffers(l, id)
		}
	}
}

func (m *model) supersede(l *modelLane, offers []modelOffer) {
	for _, o := range offers {
		l.Added++
		m.giveWay(l, o.state, o.priority)
	}
}

func (m *model) admitOffers(l *modelLane, id string) {
	at := slices.IndexFunc(l.offers, func(o modelOffer) bool { return o.id() == id })
	_, priority, newest := m.group(l, at)
	offers := m.takeOffers(l, func(o modelOffer) bool { return o.id() == id })
	l.Added++
	m.replace(l, newest, priority)
	last := 0
	for i, o := range offers {
		if o.state == newest {
			last = i
		}
	}
	m.supersede(l, slices.Delete(offers, last, last+1))
}

// tryOffer is Offer up to where that blocks.
func (m *model) tryOffer(s state, priority int) (*modelLane, error) {
	l, err := m.arrive(s)
	if err != nil {
		return nil, err
	}
	if m.isHeld(s) && !m.outdated(l, s) {
		return l, queue.ErrFull
	}
	ahead := slices.ContainsFunc(l.offers, func(o modelOffer) bool { return priority < 0 || o.priority >= 0 })
	if !m.outdated(l, s) && (l.present(s.id()) == nil && ahead || !m.fits(l, s.id(), priority, s.size)) {
		return l, queue.ErrFull
	}
	m.put(l, s, priority)
	return l, nil
}

func (m *model) offer(label string, s state, priority int) {
	l, err := m.tryOffer(s, priority)
	if !errors.Is(err, queue.ErrFull) {
		m.event("%s: %v", label, err)
		return
	}
	if m.isHeld(s) {
		m.waiters = append(m.waiters, modelOffer{modelItem{state: s, priority: priority}, label})
		return
	}
	if len(l.offers) == 0 {
		l.blockedSince = m.now
	}
	l.offers = append(l.offers, modelOffer{modelItem{state: s, priority: priority}, label})
	m.admit(l)
}

func (m *model) waitRoom(label, name string) {
	switch l := m.lanes[name]; {
	case m.shut:
		m.event("%s: %v", label, queue.ErrShuttingDown)
	case l == nil:
		m.event("%s: <nil>", label)
	case l.leaving:
		m.event("%s: %v", label, queue.ErrClusterRemoved)
	default:
		l.rooms = append(l.rooms, label)
		m.admit(l)
	}
}

func (m *model) cancelRoom(label string) {
	for _, l := range m.lanes {
		i := slices.Index(l.rooms, label)
		if i < 0 {
			continue
		}
		l.rooms = slices.Delete(l.rooms, i, i+1)
		m.event("%s: canceled", label)
		m.admit(l)
		m.forget(l)
	}
}

func (m *model) cancelOffer(label string) {
	m.cancelWaiter(label)
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
		m.forgetBuckets(l.name)
	}
}

// forget frees a lane of which nothing is left, if nobody knows its cluster.
func (m *model) forget(l *modelLane) {
	left := l.InFlight + len(l.line) + len(l.parked) + len(l.delayed) + len(l.aside) + len(l.offers) + len(l.rooms)
	if left == 0 && !l.leaving && !l.throttled() && m.knows != nil && !m.knows(l.name) {
		m.free(l)
	}
}

// empty drops all that waits and is delayed in a lane.
func (m *model) empty(l *modelLane) (ids []string) {
	for _, i := range slices.Concat(l.line, l.parked, l.delayed, l.aside) {
		m.discard(i.state)
		ids = append(ids, i.id())
	}
	l.line, l.parked, l.delayed, l.aside = nil, nil, nil, nil
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
	m.tellRooms(l, err)
}

func (m *model) remove(label, name string) {
	l := m.lanes[name]
	if l == nil {
		m.forgetBuckets(name)
		m.event("%s: <nil>", label)
		return
	}
	if !l.leaving {
		l.leaving = true
		m.refuseOffers(l, queue.ErrClusterRemoved)
		for _, id := range m.empty(l) {
			l.DroppedRemoved++
			m.limiter.Forget(id)
		}
		if l.InFlight == 0 {
			m.free(l)
		}
		m.lookAgain()
	}
	if l.InFlight > 0 {
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

func (m *model) forgetBuckets(name string) {
	m.buckets.Forget(name)
	m.listed.Forget(name)
}

// unthrottle lets a lane ask for tokens again.
func (m *model) unthrottle(l *modelLane) {
	for _, g := range l.gates {
		m.openGate(g)
	}
}

func (m *model) openGate(g *modelGate) {
	if g.shut {
		g.shut = false
		if !g.l.throttled() {
			g.l.Throttled += m.now.Sub(g.l.since)
		}
		m.enter(g.l)
	}
}

// allGates returns the gates of all lanes in the order in which they open.
func (m *model) allGates() (gates []*modelGate) {
	for _, l := range m.lanes {
		gates = append(gates, l.gates[:]...)
	}
	slices.SortFunc(gates, func(a, b *modelGate) int { return cmp.Or(a.until.Compare(b.until), cmp.Compare(a.seq, b.seq)) })
	return gates
}

// setShut stops the intake.
func (m *model) setShut() {
	if m.shut {
		return
	}
	m.shut = true
	for _, l := range m.lanes {
		m.refuseOffers(l, queue.ErrShuttingDown)
		m.lost += len(l.delayed)
		l.DroppedShutdown += uint64(len(l.delayed))
		for _, i := range l.delayed {
			m.discard(i.state)
		}
		l.delayed = nil
		m.dropHeld(l)
	}
	m.lookAgain()
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
	for _, g := range m.allGates() {
		m.openGate(g)
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
			for _, g := range l.gates {
				if g.shut && g.until.Before(next) {
					next = g.until
				}
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
		for _, i := range l.delayed {
			if !i.due.After(m.now) {
				due = append(due, i)
			}
		}
	}
	slices.SortFunc(due, func(a, b modelItem) int { return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.seq, b.seq)) })
	for _, i := range due {
		l := m.lanes[i.cluster]
		m.undelay(l, i.id())
		m.merge(l, i.id(), false)
		m.admit(l)
	}
	for _, g := range m.allGates() {
		if !g.until.After(m.now) {
			m.openGate(g)
		}
	}
}
