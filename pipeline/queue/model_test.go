package queue_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/util/workqueue"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// model is the queue's rules as plainly as they can be written: slices that
// are searched, and no goroutine, lock or timer. FuzzQueue drives it and a
// real queue with the same operations.
type model struct {
	capacity int
	bytes    int64
	knows    func(cluster string) bool // nil: all
	drops    bool                      // on ShutDown
	newer    bool                      // is told by the version
	inFlight int
	held     queue.Hold[state]
	waiters  []modelOffer // blocked, because their items are held
	buckets  *ratelimit.Buckets
	listed   *ratelimit.Buckets // of the snapshot class
	limiter  workqueue.TypedRateLimiter[string]

	now      time.Time
	lanes    map[string]*modelLane
	weights  map[string]int
	turns    []*modelLane            // ready, and not waiting for a token
	inWork   map[string]*modelWork   // by identity
	refused  map[string]bool         // identities in work that came back while shutting down
	getters  int                     // blocked in Get
	removals map[*modelLane][]string // labels of those who wait for a lane to be gone
	stops    []string                // labels of blocked Stop calls
	drains   []string                // labels of blocked ShutDownWithDrain calls
	shut     bool
	lost     int
	seq      int
	events   []string // what became of calls that may block
}

type modelItem struct {
	state
	since    time.Time // it waits
	priority int
	due      time.Time
	seq      int
}

// modelWork is an item in work, and the lane that handed it out.
type modelWork struct {
	modelItem // its size is what it counts for
	l         *modelLane
}

type modelOffer struct {
	modelItem
	label string
}

type modelLane struct {
	queue.LaneStats
	name          string
	gates         [2]*modelGate // of the live class, of the snapshot class
	line          []modelItem   // of both classes, that could be handed out
	parked        []modelItem   // that wait for Done
	delayed       []modelItem
	aside         []modelItem
	offers        []modelOffer
	rooms         []string // labels of blocked WaitRoom calls
	blockedSince  time.Time
	credit, picks int
	contested     int
	since         time.Time // a gate is shut
	leaving, gone bool
	begun         map[string]time.Time // the work, by identity
}

type modelGate struct {
	l      *modelLane
	bucket *ratelimit.Bucket
	shut   bool
	until  time.Time
	seq    int
}

func (l *modelLane) throttled() bool { return l.gates[0].shut || l.gates[1].shut }

// gate is where an item gets its token.
func (l *modelLane) gate(i modelItem) *modelGate {
	if i.priority < 0 {
		return l.gates[1]
	}
	return l.gates[0]
}

// open tells whether an item may ask for a token.
func (l *modelLane) open(i modelItem) bool { return !l.gate(i).shut && !l.Held }

func byID(id string) func(modelItem) bool {
	return func(i modelItem) bool { return i.id() == id }
}

func (m *model) event(format string, args ...any) {
	m.events = append(m.events, fmt.Sprintf(format, args...))
}

func (m *model) lane(name string) *modelLane {
	l := m.lanes[name]
	if l == nil {
		l = &modelLane{name: name, begun: make(map[string]time.Time)}
		l.gates[0] = &modelGate{l: l, bucket: m.buckets.Bucket(name)}
		l.gates[1] = l.gates[0]
		if m.listed != m.buckets {
			l.gates[1] = &modelGate{l: l, bucket: m.listed.Bucket(name)}
		}
		l.Cluster, l.Weight, l.Held = name, max(m.weights[name], 1), m.holds(name)
		m.lanes[name] = l
	}
	return l
}

// waiting finds what waits of an identity.
func (l *modelLane) waiting(id string) *modelItem {
	for _, items := range [][]modelItem{l.line, l.parked} {
		if i := slices.IndexFunc(items, byID(id)); i >= 0 {
			return &items[i]
		}
	}
	return nil
}

// arrive returns the lane for an item, or why it has none.
func (m *model) arrive(s state) (*modelLane, error) {
	if m.shut {
		return nil, queue.ErrShuttingDown
	}
	if l := m.lane(s.cluster); !l.leaving {
		return l, nil
	}
	return nil, queue.ErrClusterRemoved
}

func (m *model) refuse(s state, err error) {
	l := m.lanes[s.cluster]
	if l != nil {
		l.Added++
	}
	if errors.Is(err, queue.ErrClusterRemoved) {
		l.DroppedRemoved++
		return
	}
	if l != nil {
		l.DroppedShutdown++
	}
	if m.inWork[s.id()] != nil && (l == nil || l.waiting(s.id()) == nil) {
		m.refused[s.id()] = true
	}
}

func (m *model) add(s state, priority int) {
	l, err := m.arrive(s)
	if err != nil {
		m.discard(s)
		m.refuse(s, err)
		return
	}
	m.put(l, s, priority)
}

func (m *model) discard(s state) { m.event("discard: %s %d", s.id(), s.version) }

// present finds what waits, is delayed or stands aside of an identity.
func (l *modelLane) present(id string) *modelItem {
	for _, items := range [][]modelItem{l.delayed, l.aside} {
		if i := slices.IndexFunc(items, byID(id)); i >= 0 {
			return &items[i]
		}
	}
	return l.waiting(id)
}

// outdated tells whether something newer is there.
func (m *model) outdated(l *modelLane, s state) bool {
	p, w := l.present(s.id()), m.inWork[s.id()]
	return m.newer && (p != nil && p.version > s.version || w != nil && w.version > s.version)
}

// giveWay lets go of an item, for what there is of its identity.
func (m *model) giveWay(l *modelLane, s state, priority int) {
	l.Coalesced++
	p := l.present(s.id())
	if p == nil || p.state != s {
		m.discard(s)
	}
	if p != nil {
		m.raise(l, s.id(), priority)
	}
}

func (m *model) put(l *modelLane, s state, priority int) {
	l.Added++
	if m.outdated(l, s) {
		m.giveWay(l, s, priority)
	} else {
		m.replace(l, s, priority)
	}
	m.merge(l, s.id(), true)
	m.admit(l)
}

func (m *model) swap(l *modelLane, s state, priority int) {
	l.Coalesced++
	p := l.present(s.id())
	if p.state != s {
		m.discard(p.state)
	}
	p.state = s
	m.raise(l, s.id(), priority)
}

func (m *model) replace(l *modelLane, s state, priority int) {
	if l.present(s.id()) == nil {
		m.join(l, modelItem{state: s, priority: priority})
		return
	}
	m.swap(l, s, priority)
	m.undelay(l, s.id())
}

// undelay lets an item wait that is delayed.
func (m *model) undelay(l *modelLane, id string) {
	if i := slices.IndexFunc(l.delayed, byID(id)); i >= 0 {
		d := l.delayed[i]
		l.delayed = slices.Delete(l.delayed, i, i+1)
		m.join(l, d)
	}
}

func (m *model) raise(l *modelLane, id string, priority int) {
	p := l.present(id)
	was := p.priority
	p.priority = max(was, priority)
	if i := slices.IndexFunc(l.line, byID(id)); i >= 0 && was < 0 && p.priority >= 0 {
		raised := *p
		l.line = append(slices.Delete(l.line, i, i+1), raised)
		m.enter(l) // only one of the classes may have a token
		if !slices.ContainsFunc(l.line, l.open) {
			m.turns = slices.DeleteFunc(m.turns, func(o *modelLane) bool { return o == l })
		}
	}
}

func (m *model) join(l *modelLane, i modelItem) {
	if m.inWork[i.id()] == nil && m.isHeld(i.state) {
		l.aside = append(l.aside, i)
		return
	}
	i.since = m.now
	m.line(l, i)
}

// line lets an item stand in line, unless an older one is in work.
func (m *model) line(l *modelLane, i modelItem) {
	if m.inWork[i.id()] != nil {
		l.parked = append(l.parked, i)
		return
	}
	l.line = append(l.line, i)
	m.enter(l)
}

func (m *model) enter(l *modelLane) {
	if slices.ContainsFunc(l.line, l.open) && !slices.Contains(m.turns, l) {
		l.credit = l.Weight
		m.turns = append(m.turns, l)
	}
}

func (m *model) bringBack(s state, wait time.Duration, limited bool, priority int) {
	if limited {
		if when := m.limiter.When(s.id()); wait <= 0 || when < wait {
			wait = when
		}
	}
	if w := m.inWork[s.id()]; w != nil && w.l.gone {
		m.discard(s)
		m.limiter.Forget(s.id())
		return
	}
	l, err := m.arrive(s)
	if err != nil {
		m.discard(s)
		m.refuse(s, err)
		m.limiter.Forget(s.id())
		return
	}
	l.Added++
	l.Retries++
	m.seq++
	back := modelItem{state: s, priority: priority, due: m.now.Add(wait), seq: m.seq}
	p, w := l.present(s.id()), m.inWork[s.id()]
	if p != nil || m.outdated(l, s) {
		if p != nil && m.newer && s.version > p.version && !m.outdated(l, s) {
			m.swap(l, s, priority)
		} else {
			m.giveWay(l, s, priority)
		}
		if i := slices.IndexFunc(l.delayed, byID(s.id())); i >= 0 {
			if wait <= 0 {
				m.undelay(l, s.id())
			} else if back.due.Before(l.delayed[i].due) {
				l.delayed[i].due = back.due
			}
		}
	} else {
		if w != nil && (!m.newer || s.version <= w.version) {
			n := min(w.size, s.size)
			w.size -= n // it counts as what came back
			w.l.InFlightBytes -= int64(n)
		}
		if wait > 0 {
			l.delayed = append(l.delayed, back)
		} else {
			m.join(l, back)
		}
	}
	m.merge(l, s.id(), false)
	m.admit(l)
}

// next finds the item of a lane whose turn it is and for which there is a token:
// a live one, and every eighth time one of the snapshot class, or else another.
func (m *model) next(l *modelLane) int {
	for _, low := range []bool{(l.picks+1)%8 == 0, (l.picks+1)%8 != 0} {
		i := slices.IndexFunc(l.line, func(i modelItem) bool { return (i.priority < 0) == low && l.open(i) })
		if i < 0 {
			continue
		}
		g := l.gate(l.line[i])
		wait := g.bucket.Take(m.now)
		if wait == 0 {
			return i
		}
		if !l.throttled() {
			l.since = m.now
		}
		m.seq++
		g.shut, g.until, g.seq = true, m.now.Add(wait), m.seq
		l.Throttles++
	}
	return -1
}

func (m *model) pick() (modelItem, *modelLane) {
	for len(m.turns) > 0 {
		l := m.turns[0]
		first := m.next(l)
		if first < 0 {
			m.turns = m.turns[1:]
			continue
		}
		l.picks++
		item := l.line[first]
		l.line = slices.Delete(l.line, first, first+1)
		l.credit--
		if !slices.ContainsFunc(l.line, l.open) || l.credit <= 0 {
			m.turns = m.turns[1:]
			m.enter(l)
		}
		return item, l
	}
	return modelItem{}, nil
}

// serve lets those who are blocked in Get have what there is.
func (m *model) serve() {
	for m.getters > 0 && (m.inFlight == 0 || len(m.inWork) < m.inFlight) {
		item, l := m.pick()
		if l == nil {
			break
		}
		m.getters--
		m.inWork[item.id()] = &modelWork{item, l}
		l.InFlight++
		l.InFlightBytes += int64(item.size)
		l.HandedOut++
		observe(&l.Waited, m.now.Sub(item.since))
		l.begun[item.id()] = m.now
		m.event("get: %s %d %d %d", item.id(), item.version, item.size, item.priority)
		m.admit(l)
	}
	for m.shut && m.len() == 0 && m.getters > 0 {
		m.getters--
		m.event("get: shutdown")
	}
}

func observe(d *queue.Durations, took time.Duration) {
	d.Sum += took
	power := 0
	for upTo := math.Ldexp(1, -13); took.Seconds() > upTo; upTo *= 2 {
		power++
	}
	d.Powers[power]++
	bound := time.Millisecond
	for i := range d.Counts {
		if took <= bound || i == len(d.Counts)-1 {
			d.Counts[i]++
			return
		}
		bound *= 10
	}
}

func (m *model) done(s state) {
	id := s.id()
	if m.inWork[id] == nil {
		return
	}
	w := m.inWork[id].l
	w.InFlightBytes -= int64(m.inWork[id].size)
	delete(m.inWork, id)
	w.InFlight--
	observe(&w.Worked, m.now.Sub(w.begun[id]))
	delete(w.begun, id)
	if m.refused[id] {
		delete(m.refused, id)
		m.lost++
	}
	if l := m.lanes[s.cluster]; l != nil {
		if i := slices.IndexFunc(l.parked, byID(id)); i >= 0 {
			item := l.parked[i]
			l.parked = slices.Delete(l.parked, i, i+1)
			if m.isHeld(item.state) {
				l.aside = append(l.aside, item)
			} else {
				m.line(l, item)
			}
		}
		if m.shut {
			m.dropHeld(l)
		}
	}
	m.admit(w)
	if w.leaving && w.InFlight == 0 {
		m.free(w)
		for _, label := range m.removals[w] {
			m.event("%s: <nil>", label)
		}
		delete(m.removals, w)
	}
	m.forget(w)
}

func (m *model) stats() []queue.LaneStats {
	all := []queue.LaneStats{}
	for _, l := range m.lanes {
		s := l.LaneStats
		s.Snapshot, s.Live = 0, 0
		for _, i := range slices.Concat(l.line, l.parked) {
			if i.priority < 0 {
				s.Snapshot++
			} else {
				s.Live++
			}
		}
		_, s.Bytes = m.sum(l, true)
		s.Delayed, s.Aside = len(l.delayed), len(l.aside)
		for _, i := range l.aside {
			s.Bytes += int64(i.size)
		}
		s.BlockedOffers = len(l.offers)
		if s.BlockedOffers > 0 {
			s.Blocked += m.now.Sub(l.blockedSince)
		}
		if l.throttled() {
			s.Throttled += m.now.Sub(l.since)
		}
		for _, begun := range l.begun {
			s.Unfinished += m.now.Sub(begun)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b queue.LaneStats) int { return strings.Compare(a.Cluster, b.Cluster) })
	return all
}

func (m *model) len() (n int) {
	for _, l := range m.lanes {
		if !l.Held {
			n += len(l.line)
		}
	}
	return n
}

// known counts the identities of which anything is left.
func (m *model) known() int {
	ids := make(map[string]bool)
	for id := range m.inWork {
		ids[id] = true
	}
	for _, l := range m.lanes {
		for _, i := range slices.Concat(l.line, l.parked, l.delayed, l.aside) {
			ids[i.id()] = true
		}
		for _, o := range l.offers {
			ids[o.id()] = true
		}
	}
	return len(ids)
}
