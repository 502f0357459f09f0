package page

import (
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

const (
	// atLeast is the time between two snapshots, however many ask.
	atLeast = time.Second
	// share is what snapshots and pages for those who follow may take of one core: one part
	// of so many.
	share = 50
)

// keeper makes snapshots of the program, and remembers of them what pages show of the
// past. Its methods may be called by any goroutine.
type keeper struct {
	status   func(now time.Time) api.Status
	observed observed

	// mu is held while a snapshot is made, so that all who ask meanwhile get that one.
	mu      sync.Mutex
	now     *snapshot // nil: there is none, or nobody has asked for a while
	asked   bool      // since the last sample
	next    time.Time // when another one may be made
	looks   uint64
	head    int       // of all rings: where the next point goes
	pointed time.Time // when the last point was written
	tracks  map[string]*track
}

// snapshot is the program at one moment. It does not change, but for what is made of it
// once.
type snapshot struct {
	at     time.Time
	status api.Status
	head   int
	number uint64

	rows   func() []api.ClusterRow // by name; the caller must not change them
	causes func() foldedCauses     // what is wrong; the same
}

func newKeeper(status func(time.Time) api.Status) *keeper {
	return &keeper{status: status, tracks: map[string]*track{}}
}

// snapshot returns the last one if it is recent, and else another one. The more one costs,
// the longer it counts as recent.
func (k *keeper) snapshot() *snapshot {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = true
	if k.now != nil && time.Now().Before(k.next) {
		return k.now
	}
	k.lookLocked()
	return k.now
}

// forget has the next who asks get another snapshot, though the last one is recent.
func (k *keeper) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next = time.Time{}
}

// sample looks without anybody asking, so that there is a past when somebody does.
func (k *keeper) sample() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !time.Now().Before(k.next) {
		k.lookLocked()
	}
	if !k.asked {
		k.now = nil // a large fleet's takes megabytes
	}
	k.asked = false
}

func (k *keeper) lookLocked() {
	began := time.Now()
	k.looks++
	s := &snapshot{at: began, status: k.status(began), number: k.looks}
	clusters := s.status.Clusters
	keep := min(max(allTransitions/max(len(clusters), 1), leastTransitions), mostTransitions)
	passed := began.Sub(k.pointed)
	// A point stands for its time: what no look was made for stays unknown.
	point, skipped := passed > every-every/10, 0 // a tick may come early
	if point && !k.pointed.IsZero() {
		skipped = min(max(int(passed.Round(every)/every)-1, 0), points-1)
	}
	at := (k.head + skipped) % points
	for i := range clusters {
		c := &clusters[i]
		t := k.tracks[c.Name]
		if t == nil {
			t = &track{series: newSeries()}
			k.tracks[c.Name] = t
		}
		t.note(began, k.looks, c, keep)
		if point {
			for j := range skipped {
				t.series.forget((k.head + j) % points)
			}
			t.series.note(at, passed, lagOf(c, began), c)
		}
	}
	if len(k.tracks) > len(clusters) {
		for name, t := range k.tracks {
			if t.look != k.looks {
				delete(k.tracks, name)
			}
		}
	}
	if point {
		k.observed.each(func(_ string, d *deliveries) {
			for j := range skipped {
				d.kept[(k.head+j)%points] = counts{}
			}
			d.kept[at] = d.counts(began)
		})
		k.head, k.pointed = (at+1)%points, began
	}
	s.head = k.head
	s.rows = sync.OnceValue(func() []api.ClusterRow { return k.rowsOf(s) })
	s.causes = sync.OnceValue(func() (f foldedCauses) {
		f.shown, f.more = causesOf(s)
		return f
	})
	k.now, k.next = s, time.Now().Add(max(atLeast, share*time.Since(began)))
}

// lagOf is how old the oldest change is that a sink has not accepted, in seconds.
func lagOf(c *api.Cluster, at time.Time) float64 {
	var oldest time.Time
	for i := range c.Streams {
		if t := c.Streams[i].OldestUnacked; !t.IsZero() && (oldest.IsZero() || t.Before(oldest)) {
			oldest = t
		}
	}
	if oldest.IsZero() {
		return 0
	}
	return max(at.Sub(oldest).Seconds(), 0)
}

// rowsOf makes a row of each cluster.
func (k *keeper) rowsOf(s *snapshot) []api.ClusterRow {
	rows := make([]api.ClusterRow, len(s.status.Clusters))
	for i := range rows {
		rows[i] = rowOf(&s.status.Clusters[i], s.at)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range rows {
		if t := k.tracks[rows[i].Name]; t != nil {
			rows[i].Throttled = last(&t.series.throttled, k.head, throttledSteps)
			rows[i].DeliveriesPerSecond = last(&t.series.rate, k.head, rateSteps)
		}
	}
	return rows
}

func rowOf(c *api.Cluster, at time.Time) api.ClusterRow {
	r := api.ClusterRow{
		Name: c.Name, Level: levelOf(c.State), State: c.State, Reason: c.Reason, Since: c.Since, NextRetry: c.NextRetry,
		Source: c.Source, Labels: c.Labels, Version: c.ServerVersion, Streams: len(c.Streams),
		Waiting: inLane(c.Lane), LagSeconds: lagOf(c, at),
	}
	for i := range c.Streams {
		st := &c.Streams[i]
		r.Unacked += st.Unacked
		of := levelOf(st.State)
		if of == ok {
			r.LiveStreams++
		} else if r.Level == ok && worse(of, r.Level) {
			r.Level, r.Reason = of, "some streams: "+string(st.State)
		}
	}
	return r
}

// history returns the past of a cluster, and its transitions, the newest first.
func (k *keeper) history(cluster string) (api.History, []api.Transition) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.tracks[cluster]
	if t == nil {
		return (*series)(nil).history(0), []api.Transition{}
	}
	transitions := make([]api.Transition, 0, len(t.transitions))
	for i := range t.transitions {
		transitions = append(transitions, t.transitions[len(t.transitions)-1-i])
	}
	return t.series.history(k.head), transitions
}

// deliveries returns what a route's sink has answered in so many points.
func (k *keeper) deliveries(route string, back int) counts {
	d := k.observed.of(route)
	k.mu.Lock()
	defer k.mu.Unlock()
	return d.since(time.Now(), k.head, back)
}
