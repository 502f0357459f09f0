package findings

import (
	"fmt"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

const (
	// mostThrottled is the share of the time in which a cluster may wait for its limit.
	mostThrottled = 0.5
	// longWait is how long a change may wait.
	longWait = 5 * time.Minute
)

// explainsLane are the codes of sinks that say why a lane is full or late.
var explainsLane = map[string]bool{"FL1301": true, "FL1302": true, "FL1303": true, "FL1305": true}

// wasFull reports whether a lane was full before as well: for a moment, any burst fills one.
func (f *finder) wasFull(cluster, route string) bool {
	before := f.before[cluster]
	if before == nil {
		return true // nobody can tell
	}
	for _, r := range before.Routes {
		if r.Route == route {
			return r.Lane.BlockedOffers > 0
		}
	}
	return false
}

// lanes tells of a cluster's lanes, and what it has in the ledger.
func (f *finder) lanes(c *api.Cluster) {
	for _, r := range c.Routes {
		about := api.Finding{Cluster: c.Name, Route: r.Route}
		if f.isPaused(c.Name, r.Route) || f.has(func(one api.Finding) bool {
			return explainsLane[one.Code] && one.Route == r.Route && (one.Cluster == "" || one.Cluster == c.Name)
		}) {
			continue // the sink tells why
		}
		share := f.throttled(c.Name, &r)
		// What somebody has ordered tells why.
		ordered := f.holdsUp(api.Target{Cluster: c.Name}, share)
		limited := ordered || f.holdsUp(api.Target{Route: r.Route}, f.limitedShare(r.Route))
		full := r.Lane.BlockedOffers > 0 && f.wasFull(c.Name, r.Route)
		if full && !limited {
			why := ""
			if share > mostThrottled {
				why = "; the cluster's limit holds them up"
			}
			f.add("FL1201", about, fmt.Sprintf("The lane of cluster %s for %s is full: %d changes of %d bytes wait%s.",
				c.Name, r.Route, r.Lane.Live+r.Lane.Snapshot, r.Lane.Bytes, why))
		}
		if share > mostThrottled && !ordered {
			f.add("FL1202", about, fmt.Sprintf("Changes of cluster %s for %s waited for its limit %.0f %% of the time.", c.Name, r.Route, 100*min(share, 1)))
		}
		if oldest := oldestOf(c, r.Route); !full && !limited && share <= mostThrottled && f.longer(oldest, longWait) {
			about.Since = oldest
			f.add("FL1203", about, fmt.Sprintf("The oldest change of cluster %s that %s has not accepted was seen %s ago.", c.Name, r.Route, f.age(oldest)))
		}
	}
	f.room(c)
}

// throttled returns for which share of the window changes waited for the limit alone.
func (f *finder) throttled(cluster string, now *api.Route) float64 {
	before := f.before[cluster]
	if before == nil || f.Window <= 0 {
		return 0
	}
	for _, r := range before.Routes {
		if r.Route == now.Route {
			return (now.Counts.ThrottledSeconds - r.Counts.ThrottledSeconds) / f.Window.Seconds()
		}
	}
	return 0
}

// oldestOf returns when the oldest change was seen that a route has not accepted; zero:
// there is none.
func oldestOf(c *api.Cluster, route string) (oldest time.Time) {
	for _, st := range c.Streams {
		for _, r := range st.Routes {
			if at := r.OldestUnacked; r.Route == route && !at.IsZero() && (oldest.IsZero() || at.Before(oldest)) {
				oldest = at
			}
		}
	}
	return oldest
}

// room tells when a cluster takes almost all that it may in the ledger.
func (f *finder) room(c *api.Cluster) {
	about, l := api.Finding{Cluster: c.Name}, c.Ledger
	if l.LastError != "" && !l.Healthy && f.Status.Ledger.Healthy {
		about.Since = l.Since
		f.add("FL1401", about, because("What there is of cluster "+c.Name+" cannot be written to the ledger", l.LastError))
	}
	if f.has(func(one api.Finding) bool { return one.Code == "FL1402" && one.Cluster == c.Name }) {
		return
	}
	const most = 0.9
	if l.MaxObjects > 0 && float64(l.Objects) > most*float64(l.MaxObjects) || l.MaxBytes > 0 && float64(l.Bytes) > most*float64(l.MaxBytes) {
		f.add("FL1403", about, fmt.Sprintf("Cluster %s has %d of %d objects in the ledger, and %d of %d bytes.", c.Name, l.Objects, l.MaxObjects, l.Bytes, l.MaxBytes))
	}
}
