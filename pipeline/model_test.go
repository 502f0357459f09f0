package pipeline_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/util/workqueue"

	"github.com/fairlead-dev/fairlead/pipeline"
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
	buckets  *ratelimit.Buckets
	limiter  workqueue.TypedRateLimiter[string]

	now      time.Time
	lanes    map[string]*modelLane
	weights  map[string]int
	turns    []*modelLane            // ready, and not waiting for a token
	inWork   map[string]*modelLane   // by identity
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

type modelOffer struct {
	modelItem
	label string
}

type modelLane struct {
	pipeline.LaneStats
	name          string
	bucket        *ratelimit.Bucket
	line          []modelItem // of both classes, that could be handed out
	parked        []modelItem // that wait for Done
	delayed       []modelItem
	offers        []modelOffer
	blockedSince  time.Time
	credit, picks int
	contested     int
	throttled     bool
	since, until  time.Time
	seq           int
	leaving, gone bool
	begun         map[string]time.Time // the work, by identity
}

func byID(id string) func(modelItem) bool {
	return func(i modelItem) bool { return i.id() == id }
}

func (m *model) event(format string, args ...any) {
	m.events = append(m.events, fmt.Sprintf(format, args...))
}

func (m *model) lane(name string) *modelLane {
	l := m.lanes[name]
	if l == nil {
		l = &modelLane{name: name, bucket: m.buckets.Bucket(name), begun: make(map[string]time.Time)}
		l.Cluster, l.Weight = name, max(m.weights[name], 1)
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

func (l *modelLane) sum(snapshot, live bool) (n int, bytes int64) {
	for _, i := range slices.Concat(l.line, l.parked) {
		if i.priority < 0 && snapshot || i.priority >= 0 && live {
			n++
			bytes += int64(i.size)
		}
	}
	return n, bytes
}

func (m *model) fits(l *modelLane, priority, size int) bool {
	n, bytes := l.sum(true, true)
	if n > 0 && (n+1 > m.capacity || bytes+int64(size) > m.bytes) {
		return false
	}
	if n, bytes := l.sum(true, false); priority < 0 && n > 0 {
		return n+1 <= m.capacity*3/4 && bytes+int64(size) <= m.bytes/4*3
	}
	return true
}

// fitsInPlace reports whether s may take the place of w, which waits.
func (m *model) fitsInPlace(l *modelLane, w *modelItem, priority, size int) bool {
	growth := int64(size - w.size)
	n, bytes := l.sum(true, true)
	if growth <= 0 {
		return true
	}
	if n > 1 && bytes+growth > m.bytes {
		return false
	}
	if n, bytes := l.sum(true, false); max(priority, w.priority) < 0 && n > 1 {
		return bytes+growth <= m.bytes/4*3
	}
	return true
}

// arrive returns the lane for an item, or why it has none.
func (m *model) arrive(s state) (*modelLane, error) {
	if m.shut {
		return nil, pipeline.ErrShuttingDown
	}
	if l := m.lane(s.cluster); !l.leaving {
		return l, nil
	}
	return nil, pipeline.ErrClusterRemoved
}

func (m *model) refuse(s state, err error) {
	l := m.lanes[s.cluster]
	if l != nil {
		l.Added++
	}
	if errors.Is(err, pipeline.ErrClusterRemoved) {
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
		m.refuse(s, err)
		return
	}
	m.put(l, s, priority)
}

func (m *model) put(l *modelLane, s state, priority int) {
	for _, o := range m.takeOffers(l, s.id()) { // older than s
		l.Added++
		l.Coalesced++
		priority = max(priority, o.priority)
	}
	m.replace(l, s, priority)
	m.admit(l)
}

func (m *model) replace(l *modelLane, s state, priority int) {
	l.Added++
	if w := l.waiting(s.id()); w != nil {
		l.Coalesced++
		w.state = s
		m.raise(l, s.id(), priority)
		return
	}
	if i := slices.IndexFunc(l.delayed, byID(s.id())); i >= 0 {
		l.Coalesced++
		priority = max(priority, l.delayed[i].priority)
		l.delayed = slices.Delete(l.delayed, i, i+1)
	}
	m.join(l, modelItem{state: s, priority: priority})
}

func (m *model) raise(l *modelLane, id string, priority int) {
	w := l.waiting(id)
	was := w.priority
	w.priority = max(was, priority)
	if i := slices.IndexFunc(l.line, byID(id)); i >= 0 && was < 0 && w.priority >= 0 {
		raised := *w
		l.line = append(slices.Delete(l.line, i, i+1), raised)
	}
}

func (m *model) join(l *modelLane, i modelItem) {
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
	if len(l.line) > 0 && !l.throttled && !slices.Contains(m.turns, l) {
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
	if w := m.inWork[s.id()]; w != nil && w.gone {
		m.limiter.Forget(s.id())
		return
	}
	l, err := m.arrive(s)
	if err != nil {
		m.refuse(s, err)
		m.limiter.Forget(s.id())
		return
	}
	l.Added++
	l.Retries++
	i := slices.IndexFunc(l.delayed, byID(s.id()))
	m.seq++
	back := modelItem{state: s, priority: priority, due: m.now.Add(wait), seq: m.seq}
	switch {
	case l.waiting(s.id()) != nil:
		l.Coalesced++
		m.raise(l, s.id(), priority)
	case i >= 0:
		l.Coalesced++
		d := &l.delayed[i]
		d.priority = max(d.priority, priority)
		if wait > 0 {
			if back.due.Before(d.due) {
				d.due = back.due
			}
			break
		}
		back = *d
		l.delayed = slices.Delete(l.delayed, i, i+1)
		m.join(l, back)
		m.admitOffers(l, s.id())
	case wait > 0:
		l.delayed = append(l.delayed, back)
	default:
		m.join(l, back)
		m.admitOffers(l, s.id())
	}
	m.admit(l)
}

func (m *model) pick() (modelItem, *modelLane) {
	for len(m.turns) > 0 {
		l := m.turns[0]
		if wait := l.bucket.Take(m.now); wait > 0 {
			m.seq++
			l.throttled, l.since, l.until, l.seq = true, m.now, m.now.Add(wait), m.seq
			l.Throttles++
			m.turns = m.turns[1:]
			continue
		}
		l.picks++
		first := slices.IndexFunc(l.line, func(i modelItem) bool { return (i.priority < 0) == (l.picks%8 == 0) })
		first = max(first, 0)
		item := l.line[first]
		l.line = slices.Delete(l.line, first, first+1)
		l.credit--
		if len(l.line) == 0 || l.credit <= 0 {
			m.turns = m.turns[1:]
			m.enter(l)
		}
		return item, l
	}
	return modelItem{}, nil
}

// serve lets those who are blocked in Get have what there is.
func (m *model) serve() {
	for m.getters > 0 {
		item, l := m.pick()
		if l == nil {
			break
		}
		m.getters--
		m.inWork[item.id()] = l
		l.InWork++
		l.HandedOut++
		observe(&l.Waited, m.now.Sub(item.since))
		l.begun[item.id()] = m.now
		m.event("get: %s %d %d %d", item.id(), item.version, item.size, item.priority)
		m.admit(l)
	}
	throttled := slices.ContainsFunc(m.allLanes(), func(l *modelLane) bool { return l.throttled })
	for m.shut && !throttled && m.getters > 0 {
		m.getters--
		m.event("get: shutdown")
	}
}

func observe(d *pipeline.Durations, took time.Duration) {
	d.Sum += took
	bound := time.Millisecond
	for i := range d.Counts {
		if took <= bound || i == len(d.Counts)-1 {
			d.Counts[i]++
			return
		}
		bound *= 10
	}
}

func (m *model) allLanes() (lanes []*modelLane) {
	for _, l := range m.lanes {
		lanes = append(lanes, l)
	}
	return lanes
}

func (m *model) done(s state) {
	id := s.id()
	w := m.inWork[id]
	if w == nil {
		return
	}
	delete(m.inWork, id)
	w.InWork--
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
			m.line(l, item)
		}
	}
	if w.leaving && w.InWork == 0 {
		m.free(w)
		for _, label := range m.removals[w] {
			m.event("%s: <nil>", label)
		}
		delete(m.removals, w)
	}
	left := w.InWork + len(w.line) + len(w.parked) + len(w.delayed) + len(w.offers)
	if left == 0 && !w.leaving && m.knows != nil && !m.knows(w.name) {
		m.free(w)
	}
}

func (m *model) stats() []pipeline.LaneStats {
	all := []pipeline.LaneStats{}
	for _, l := range m.lanes {
		s := l.LaneStats
		s.Snapshot, _ = l.sum(true, false)
		s.Live, _ = l.sum(false, true)
		_, s.Bytes = l.sum(true, true)
		s.Delayed = len(l.delayed)
		s.BlockedOffers = len(l.offers)
		if s.BlockedOffers > 0 {
			s.Blocked += m.now.Sub(l.blockedSince)
		}
		if l.throttled {
			s.Throttled += m.now.Sub(l.since)
		}
		for _, begun := range l.begun {
			s.Unfinished += m.now.Sub(begun)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b pipeline.LaneStats) int { return strings.Compare(a.Cluster, b.Cluster) })
	return all
}

func (m *model) len() (n int) {
	for _, l := range m.lanes {
		n += len(l.line)
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
		for _, i := range slices.Concat(l.line, l.parked, l.delayed) {
			ids[i.id()] = true
		}
		for _, o := range l.offers {
			ids[o.id()] = true
		}
	}
	return len(ids)
}
