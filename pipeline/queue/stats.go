package queue

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// LaneStats is how one cluster's lane stands, and what has passed through it
// since the lane was made. Every item that came is accounted for:
//
//	Added = Coalesced + HandedOut + DroppedRemoved + DroppedShutdown + Live + Snapshot + Delayed + Aside
type LaneStats struct {
	Cluster string
	Weight  int

	Live, Snapshot int   // items that wait, by class
	Bytes          int64 // sizes of what waits, is delayed, aside or in work
	Delayed        int   // items brought back that are not due yet
	Aside          int   // items that are held one by one, see Hold
	Held           bool  // as a whole
	InFlight       int   // handed out and not Done
	InFlightBytes  int64 // sizes of those
	BlockedOffers  int   // Offers that wait for room

	Added           uint64 // items that came and did not stay outside: new ones and ones brought back
	Coalesced       uint64 // replaced by a newer one of their identity, or given way to it
	HandedOut       uint64
	DroppedRemoved  uint64 // because the cluster was removed
	DroppedShutdown uint64 // because the queue was shut down
	Retries         uint64 // of Added, those brought back: AddAfter, AddRateLimited and the like

	Blocked   time.Duration // for how long there was an Offer that waited for room
	Throttled time.Duration // for how long items waited and only a token was missing
	Throttles uint64        // how often a token was missing

	// Of items that came, or whose work began, after the first call of Lanes:
	Waited     Durations     // until they were handed out; without delays, and from the first one that was replaced
	Worked     Durations     // until Done
	Unfinished time.Duration // sum of how long the work on those in work has taken so far
}

// Lanes returns the stats of all lanes, by name. From the first call on the queue
// measures durations, for which it reads the clock three times for each item.
func (q *Queue[T, K]) Lanes() []LaneStats {
	q.mu.Lock()
	q.timed = true
	lanes := slices.Collect(maps.Values(q.lanes))
	q.mu.Unlock()
	// Of thousands of lanes this takes longer than to read them. A lane's name stays.
	slices.SortFunc(lanes, func(a, b *lane[T, K]) int { return strings.Compare(a.name, b.name) })
	stats := make([]LaneStats, 0, len(lanes))
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	for _, l := range lanes {
		if q.lanes[l.name] == l { // it is still there
			stats = append(stats, l.stats(now))
		}
	}
	return stats
}

// Lane returns the stats of one lane, without its durations unless Lanes was called before;
// not ok: there is none of that name.
func (q *Queue[T, K]) Lane(name string) (stats LaneStats, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l, ok := q.lanes[name]
	if !ok {
		return LaneStats{}, false
	}
	return l.stats(q.now()), true
}

func (l *lane[T, K]) stats(now time.Duration) LaneStats {
	s := LaneStats{
		Cluster:         l.name,
		Weight:          l.weight,
		Live:            l.depth[live] - l.late[live],
		Snapshot:        l.depth[snapshot] - l.late[snapshot],
		Bytes:           l.held() + l.asideBytes,
		Delayed:         l.delayed.N,
		Aside:           l.aside.N,
		Held:            l.paused,
		InFlight:        l.inWork,
		InFlightBytes:   l.workBytes,
		BlockedOffers:   l.offers[live].N + l.offers[snapshot].N,
		Added:           l.added,
		Coalesced:       l.coalesced,
		HandedOut:       l.handedOut,
		DroppedRemoved:  l.dropped[dropRemoved],
		DroppedShutdown: l.dropped[dropShutdown],
		Blocked:         l.blockedFor,
		Throttled:       l.throttledFor,
		Throttles:       l.throttles,
		Retries:         l.retries,
		Waited:          l.waited,
		Worked:          l.worked,
		Unfinished:      time.Duration(l.timed)*(now+1) - l.begun, // stamps are one more
	}
	if s.BlockedOffers > 0 {
		s.Blocked += now - l.blockedSince
	}
	if l.shutGates > 0 {
		s.Throttled += now - l.throttledSince
	}
	return s
}
