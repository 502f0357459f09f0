package sources

import (
	"cmp"
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// A member has a stream for each spec that names a resource, from the beginning. If there
// are wildcards, it has a survey, too, which finds out what they stand for in the member,
// and has streams of those resources begin and end while the member runs. The survey's
// goroutine alone changes which streams a member has.

// surveyLocked gives a member the survey that its wildcards need, for a connection that has
// not run.
func (s *Sources) surveyLocked(r *member, conn *connection.Connection) {
	r.survey = nil
	if len(s.wildcards) > 0 {
		r.survey = stream.NewSurvey(stream.SurveyOptions{
			Cluster:    r.name,
			Named:      s.named,
			Wildcards:  s.wildcards,
			Excluded:   s.o.Excluded,
			MaxStreams: max(s.o.Config.MaxStreams, 0),
			Routes:     s.routeNames(),
			Config:     s.o.Config.Stream,
			Connection: conn,
			Ledger:     s.o.Ledger,
			Found:      func(ctx context.Context, f stream.Findings) { s.found(ctx, r, conn, f) },
			Ended:      func(spec Spec) bool { return s.ended(r, spec) },
			Log:        s.o.Log,
		})
	}
	r.claims.Lock()
	defer r.claims.Unlock()
	r.claims.specs = s.named // those of wildcards join when their streams do
	r.claims.surveyed = len(s.wildcards) == 0
}

func (s *Sources) routeNames() []string {
	var names []string
	for _, route := range s.o.Routes {
		names = append(names, route.Name)
	}
	return names
}

// found has a member have the streams that its wildcards come to, beside those that it has
// for specs that name a resource. It returns once those that are not among them have ended,
// or ctx has.
func (s *Sources) found(ctx context.Context, r *member, conn *connection.Connection, all stream.Findings) {
	wanted := map[Spec]stream.Followed{}
	for _, f := range all.Streams {
		wanted[f.Spec] = f
	}
	s.mu.Lock()
	children := r.children
	if children == nil || r.conn != conn {
		s.mu.Unlock()
		return // it is leaving
	}
	var streams, ended, begun []*stream.Stream
	for _, st := range r.streams {
		if _, ok := wanted[st.Spec()]; st.Wildcard() != "" && !ok {
			ended = append(ended, st)
			continue
		}
		delete(wanted, st.Spec())
		streams = append(streams, st)
	}
	for _, f := range wanted {
		begun = append(begun, s.newStreamLocked(r, conn, f))
	}
	streams = append(streams, begun...)
	slices.SortFunc(streams[len(s.named):], func(a, b *stream.Stream) int { return cmp.Compare(a.Name(), b.Name()) })
	r.streams = streams
	s.foundClaims(r, r.streams, all.Unplaced)
	for _, st := range begun { // which waits for one of that name that has not ended yet
		children.Start("stream "+st.Name(), st.Run)
	}
	s.mu.Unlock()
	for _, st := range ended {
		_ = children.Stop(ctx, "stream "+st.Name()) // or ctx has ended, and all children with it
	}
}

// foundClaims notes which streams a member has, and for which resources there is no place.
// What those claimed that are not among them is not followed any more.
func (s *Sources) foundClaims(r *member, streams []*stream.Stream, unplaced map[schema.GroupResource]bool) {
	k := &r.claims
	k.Lock()
	defer k.Unlock()
	specs := make([]Spec, len(streams))
	for i, st := range streams {
		specs[i] = st.Spec()
	}
	for spec := range k.of {
		if !slices.Contains(specs, spec) {
			delete(k.of, spec)
		}
	}
	k.specs, k.unplaced, k.surveyed = specs, unplaced, true
	s.settledLocked(r)
}

// ended reports whether a stream that a wildcard stands for has nothing to do any more.
func (s *Sources) ended(r *member, spec Spec) bool {
	s.mu.Lock()
	streams := r.streams
	s.mu.Unlock()
	i := slices.IndexFunc(streams, func(st *stream.Stream) bool { return st.Spec() == spec })
	return i < 0 || streams[i].Ended()
}

// surveyed reports whether it is known what wildcards stand for in a member.
func (s *Sources) surveyed(cluster string) bool {
	s.mu.Lock()
	r, ok := s.presentLocked(cluster)
	s.mu.Unlock()
	if !ok {
		return false
	}
	r.claims.Lock()
	defer r.claims.Unlock()
	return r.claims.surveyed
}
