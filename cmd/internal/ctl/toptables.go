package ctl

import (
	"fmt"
	"math"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// topClusters has a row for each cluster: what it hands to sinks, and reads.
func topClusters(r *reads) Table {
	var rows []topRow
	for i := range r.second.Clusters {
		after := &r.second.Clusters[i]
		before := r.before(after.Name)
		row := topRow{
			Cluster: after.Name, State: string(standingOf(after).state),
			Throttled: r.share(before.Counts.ThrottledSeconds, after.Counts.ThrottledSeconds),
			Blocked:   r.share(before.Counts.BlockedSeconds, after.Counts.BlockedSeconds),
		}
		row.add(r, before.Counts, after.Counts, after.Lane)
		row.OldestSeconds = r.age(oldestOf(after))
		read := streamsOf(&before)
		for _, s := range after.Streams {
			row.BytesRate += r.per(read[s.Stream].Bytes, s.Bytes)
		}
		rows = append(rows, row)
	}
	return ordered(rows, "cluster", columnsOf("NAME STATE CHANGES/S BYTES/S THROTTLED BLOCKED WAITING INFLIGHT BYTES OLDEST"), func(t topRow) []string {
		return []string{t.Cluster, t.State, rate(t.Rate), size(t.BytesRate), percent(t.Throttled), percent(t.Blocked),
			fmt.Sprint(t.Waiting), fmt.Sprint(t.InFlight), size(float64(t.Bytes)), oldest(t.OldestSeconds)}
	})
}

// topStreams has a row for each stream: what it reads.
func topStreams(r *reads) Table {
	var rows []topRow
	for i := range r.second.Clusters {
		after := &r.second.Clusters[i]
		before := r.before(after.Name)
		read := streamsOf(&before)
		for _, s := range after.Streams {
			was := read[s.Stream]
			rows = append(rows, topRow{
				Cluster: after.Name, Resource: resourceOf(&s), State: stateOf(&s),
				Rate: r.per(was.Observed+was.Tombstones, s.Observed+s.Tombstones), BytesRate: r.per(was.Bytes, s.Bytes),
				Waiting: s.Unacked, OldestSeconds: r.age(s.OldestUnacked),
			})
		}
	}
	return ordered(rows, "", columnsOf("CLUSTER RESOURCE STATE CHANGES/S BYTES/S UNACKED OLDEST"), func(t topRow) []string {
		return []string{t.Cluster, t.Resource, t.State, rate(t.Rate), size(t.BytesRate), fmt.Sprint(t.Waiting), oldest(t.OldestSeconds)}
	})
}

// stateOf is the state of a stream, and whether it waits for the limit that somebody has set.
func stateOf(s *api.Stream) string {
	if s.LimitedSince.IsZero() {
		return string(s.State)
	}
	return string(s.State) + ", limited"
}

// healthOf is how a sink is, in a word.
func healthOf(k *api.Sink) string {
	switch {
	case k.Healthy:
		return "healthy"
	case k.LastError == "" && len(k.Refused) > 0:
		return "refusing"
	}
	return "failing"
}

// topSinks has a row for each sink: what all clusters hand to it.
func topSinks(r *reads) Table {
	var rows []topRow
	for _, k := range r.second.Sinks {
		row := topRow{Sink: k.Name, State: healthOf(&k)}
		var first time.Time
		for i := range r.second.Clusters {
			after := &r.second.Clusters[i]
			before := r.before(after.Name)
			was, is := routeOf(&before, k.Name), routeOf(after, k.Name)
			row.add(r, was.Counts, is.Counts, is.Lane)
			for _, s := range after.Streams {
				for _, route := range s.Routes {
					if route.Route == k.Name {
						first = earlier(first, route.OldestUnacked)
					}
				}
			}
		}
		row.OldestSeconds = r.age(first)
		rows = append(rows, row)
	}
	return ordered(rows, "sink", columnsOf("NAME STATE CHANGES/S WAITING INFLIGHT BYTES OLDEST"), func(t topRow) []string {
		return []string{t.Sink, t.State, rate(t.Rate), fmt.Sprint(t.Waiting), fmt.Sprint(t.InFlight), size(float64(t.Bytes)), oldest(t.OldestSeconds)}
	})
}

// add adds what a lane has handed out, and what is in it.
func (t *topRow) add(r *reads, before, after api.LaneCounts, l api.Lane) {
	t.Rate += r.per(before.HandedOut, after.HandedOut)
	t.Waiting += waitingOf(l)
	t.InFlight += l.InFlight
	t.Bytes += l.Bytes
}

func streamsOf(c *api.Cluster) map[string]api.Stream {
	all := map[string]api.Stream{}
	for _, s := range c.Streams {
		all[s.Stream] = s
	}
	return all
}

func routeOf(c *api.Cluster, name string) api.Route {
	for _, r := range c.Routes {
		if r.Route == name {
			return r
		}
	}
	return api.Route{}
}

func rate(perSecond float64) string { return fmt.Sprintf("%.1f", perSecond) }

func percent(part float64) string { return fmt.Sprintf("%.0f%%", 100*part) }

func oldest(age float64) string {
	if age == 0 {
		return "-"
	}
	return short(seconds(age))
}

// size returns bytes as a Kubernetes quantity of three digits or so.
func size(bytes float64) string {
	for _, unit := range []string{"", "Ki", "Mi", "Gi"} {
		if bytes < 1024 {
			if unit == "" || bytes >= 100 {
				return fmt.Sprintf("%.0f%s", math.Round(bytes), unit)
			}
			return fmt.Sprintf("%.1f%s", bytes, unit)
		}
		bytes /= 1024
	}
	return fmt.Sprintf("%.1fTi", bytes)
}
