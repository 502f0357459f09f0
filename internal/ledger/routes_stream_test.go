package ledger

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// routeStream is one watch, for all routes that are in step.
type routeStream struct {
	routes  map[*route]bool
	last    int // version of the newest frame; -1 if a snapshot is needed
	quiet   int // from which on to last there was nothing but bookmarks
	odd     bool
	read    int // the place in the log, which a stream does not know; behind last after a deletion with an old version
	at      int // version of the snapshot
	listing bool
	page    []routed
}

func (s *routeStream) sorted() []*route {
	return slices.SortedFunc(maps.Keys(s.routes), func(a, b *route) int { return strings.Compare(a.id.Route, b.id.Route) })
}

func positionOf(c *Cursor) int {
	if n, err := strconv.Atoi(c.Last()); err == nil {
		return n
	}
	return -1
}

// begin lets it watch from a version.
func (s *routeStream) begin(at int) { s.last, s.quiet, s.read, s.odd = at, at, at, false }

// covers reports whether it is known to have shown all that another one has. Behind a deletion
// with an old version that is not known until the next frame: what is numerically beyond may be
// the version of a bookmark or a list from before.
func (s *routeStream) covers(other *routeStream, off string) bool {
	if s.listing || other.listing || other.last < 0 || s.last < 0 {
		return false
	}
	return s.last >= other.quiet && (!other.odd || off == ordered)
}

// has reports whether a route has seen a frame before. One that has no version of its own
// lies right behind the newest: who has come further by a bookmark or a list may have missed it.
func (s *routeStream) has(r *route, x routed) bool {
	place := x.rv
	if x.rv <= s.last && r.off != ordered {
		if place = s.last + 1; !r.framed {
			return false
		}
	}
	return r.off != skips && positionOf(r.cursor) >= place
}

// letGo has a route read for itself.
func (s *routeStream) letGo(r *route, frame int) {
	r.leave()
	switch {
	case s.listing && r.off == ownSnapshot:
		r.cursor.snapshotting, r.cursor.last = false, strconv.Itoa(s.at)
	case !s.listing && r.off == position:
		r.cursor.Seen(strconv.Itoa(frame))
	}
}

// admit reports whether all routes have room, or could be let go of.
func (s *routeStream) admit(x routed) bool {
	for _, r := range s.sorted() {
		if !s.listing && s.has(r, x) || !r.full(x.key) {
			continue
		}
		if len(s.routes) == 1 {
			return false
		}
		s.letGo(r, x.rv)
	}
	return true
}

func (s *routeStream) step(h *routesHistory) {
	srv := h.server
	switch {
	case !s.listing && (s.last < 0 || s.read < srv.compacted):
		s.listing, s.at, s.page = true, srv.rv, nil
		for _, key := range slices.Sorted(maps.Keys(srv.objects)) {
			s.page = append(s.page, srv.objects[key])
		}
		h.r.Shuffle(len(s.page), func(i, j int) { s.page[i], s.page[j] = s.page[j], s.page[i] })
		for r := range s.routes {
			r.cursor.InvalidateResumePoint()
			r.cursor.BeginSnapshot()
		}
	case s.listing && len(s.page) > 0:
		if !s.admit(s.page[0]) {
			return
		}
		var like *Observation
		for _, r := range s.sorted() {
			like = r.observe(s.page[0], true, like)
		}
		s.page = s.page[1:]
	case s.listing:
		for _, r := range s.sorted() {
			r.sweep(s.at)
		}
		s.listing = false
		s.begin(s.at)
	default:
		s.frame(h)
	}
}

func (s *routeStream) frame(h *routesHistory) {
	for _, x := range h.server.log {
		if x.at <= s.read {
			continue
		}
		if !s.admit(x) {
			return
		}
		var like *Observation
		for _, r := range s.sorted() {
			if s.has(r, x) {
				continue
			}
			if len(s.routes) > 1 && h.r.Float64() < 0.05 && strings.Contains(r.selection, x.colour) {
				// It is found out to be full when the change is offered.
				r.cursor.Observe(x.name(), x.version(), x.deleted, false, like)
				if x.rv <= s.last && positionOf(r.cursor) > s.last {
					r.cursor.InvalidateResumePoint() // its own watch need not show it again
				}
				s.letGo(r, x.rv)
				continue
			}
			like = r.observe(x, false, like)
			r.cursor.Seen(strconv.Itoa(x.rv))
			r.framed = r.framed || x.rv > s.last
		}
		if s.read, s.odd = x.at, x.rv <= s.last; !s.odd {
			s.last, s.quiet = x.rv, x.rv
		}
		return
	}
	if h.r.Float64() < 0.3 {
		if s.odd {
			s.quiet = h.server.rv
		}
		s.last, s.read, s.odd = h.server.rv, h.server.rv, false
		for r := range s.routes {
			r.framed = r.framed && positionOf(r.cursor) == s.last
			r.cursor.Seen(strconv.Itoa(s.last))
			r.cursor.CaughtUp()
		}
	}
}
