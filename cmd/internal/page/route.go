package page

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

const (
	mostBehind  = 100
	mostWaiting = 20
)

func (p *Page) route(s *snapshot, r *http.Request) answer {
	name := nameOf(r)
	i := slices.IndexFunc(s.status.Sinks, func(k api.Sink) bool { return k.Name == name })
	if i < 0 {
		var known []string
		for _, k := range s.status.Sinks {
			known = append(known, visible(k.Name, mostText))
		}
		return gone(s, failure(http.StatusNotFound, "No such route", "there is no route "+visible(name, 100), known...), name, api.Target{Route: name})
	}
	d := api.RouteDetail{At: s.at, Sink: s.status.Sinks[i], Behind: []string{}, Waiting: []api.InRoute{}}
	for j := range s.status.Paused {
		if s.status.Paused[j].Route == name {
			d.Paused = &s.status.Paused[j]
		}
	}
	d.Order = orderOf(s.status.Limits, api.Target{Route: name})
	for j := range s.status.Clusters {
		addToRoute(&d, &s.status.Clusters[j])
	}
	slices.SortStableFunc(d.Waiting, func(a, b api.InRoute) int { return cmp.Compare(inLane(b.Lane), inLane(a.Lane)) })
	d.Waiting = d.Waiting[:min(len(d.Waiting), mostWaiting)]
	c := p.keeper.deliveries(name, points)
	d.Deliveries = api.Deliveries{Seconds: c.passed.Seconds(), Accepted: c.accepted, Refused: c.refused, Took: quantiles(c.took), Lag: quantiles(c.lag)}
	if p.opts.Batches != nil {
		d.Batches, d.BatchChanges = p.opts.Batches(name)
	}
	return answer{code: http.StatusOK, title: short(name), template: "route", json: d, data: routeData{Bars: barsOf(d.Lane), DeadLetters: p.opts.DeadLetters != nil},
		command: "kubectl fairlead top sinks", refresh: true}
}

// routeData is what the template of a route is given beside api.RouteDetail.
type routeData struct {
	Bars        []bar
	DeadLetters bool // are kept
}

// addToRoute adds what there is of a cluster in the route.
func addToRoute(d *api.RouteDetail, c *api.Cluster) {
	for _, r := range c.Routes {
		if r.Route != d.Sink.Name {
			continue
		}
		l := r.Lane
		d.Lane.Live += l.Live
		d.Lane.Snapshot += l.Snapshot
		d.Lane.Bytes += l.Bytes
		d.Lane.Delayed += l.Delayed
		d.Lane.InFlight += l.InFlight
		d.Lane.BlockedOffers += l.BlockedOffers
		if inLane(l) > 0 {
			d.Waiting = append(d.Waiting, api.InRoute{Cluster: c.Name, Lane: l})
		}
		if !r.InStep {
			if d.BehindAll++; len(d.Behind) < mostBehind {
				d.Behind = append(d.Behind, c.Name)
			}
		}
	}
	for i := range c.Streams {
		for _, r := range c.Streams[i].Routes {
			if r.Route == d.Sink.Name {
				d.Filtered += r.Filtered
				if d.Filter.Count += r.FilterErrors; r.LastFilterError != "" {
					d.Filter.Last = r.LastFilterError
				}
			}
		}
	}
}

// inLane counts what waits in a lane and what is in work.
func inLane(l api.Lane) int { return l.Live + l.Snapshot + l.Delayed + l.InFlight }
