package sources

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// A resource that is not followed any more (its --watch is gone) is kept in the ledger for
// the retention. Then it is retired: the deletions of all its objects are delivered,
// through the lanes like any other change. That needs no connection to the cluster,
// because the ledger has all that the deletions need.

// lookInterval is how often Sources looks for cursors to retire. The first look is that
// long after the start: a machine may boot with a wrong clock, and has set it by then.
const lookInterval = time.Hour

// claims are the cursors that a member's streams use.
type claims struct {
	sync.Mutex
	specs    []Spec                                // of all streams
	surveyed bool                                  // it is known what wildcards stand for
	unplaced map[schema.GroupResource]bool         // what they stand for and there is no place for
	of       map[Spec][]ledger.StreamID            // by the stream's spec; none where it is not known yet
	retiring map[*ledger.Cursor]context.CancelFunc // of those that are being retired
}

// claimed records which cursors a member's stream uses. Once that is known of all its
// streams, it is reported to the ledger: nobody follows the others any more. A cursor
// that is followed after all, also in another API group, is retired no further.
func (s *Sources) claimed(r *member, spec Spec, ids []ledger.StreamID) {
	k := &r.claims
	k.Lock()
	defer k.Unlock()
	if k.of == nil {
		k.of = map[Spec][]ledger.StreamID{}
	}
	// A slice: a map takes a kilobyte for the one or two cursors that most streams have.
	known := k.of[spec]
	for _, id := range ids {
		if !slices.Contains(known, id) {
			known = append(known, id)
		}
	}
	k.of[spec] = known
	for c, cancel := range k.retiring {
		switch id := c.ID(); {
		case !c.Owned() || slices.ContainsFunc(ids, id.SameStream):
			cancel()
		case follows(ids, id):
			c.Release()
			cancel()
		}
	}
	s.settledLocked(r)
}

// known reports whether a spec's stream has found out which cursors it uses. The claims
// are locked.
func (k *claims) known(spec Spec) bool {
	_, ok := k.of[spec]
	return ok
}

// settledLocked tells the ledger what the member's streams follow, once they have found
// that out. The claims are locked.
func (s *Sources) settledLocked(r *member) {
	k := &r.claims
	if k.surveyed && !slices.ContainsFunc(k.specs, func(spec Spec) bool { return !k.known(spec) }) {
		s.watchedLocked(r, nil)
	}
}

// watchedLocked tells the ledger what the member's streams follow, as far as they have
// found that out. The claims are locked.
func (s *Sources) watchedLocked(r *member, known []ledger.Remembered) {
	var all []ledger.StreamID
	for _, of := range r.claims.of {
		all = append(all, of...)
	}
	following := func(id ledger.StreamID) ledger.Following {
		switch {
		case slices.ContainsFunc(all, id.SameStream):
			return ledger.Followed
		case follows(all, id):
			return ledger.FollowedElsewhere
		}
		return ledger.Unfollowed
	}
	s.o.Ledger.Watched(r.name, following, func(id ledger.StreamID) bool { return s.mayFollowLocked(r, id, known) })
}

// follows reports whether who follows some streams follows objects of a further one.
func follows(ids []ledger.StreamID, id ledger.StreamID) bool {
	return slices.ContainsFunc(ids, func(other ledger.StreamID) bool { return stream.SameObjects(other, id) })
}

// mayFollowLocked reports whether a stream that has not found out what it follows may
// mean a resource, or wildcards stand for it and there is no place for its stream: a
// bound is no deletion.
func (s *Sources) mayFollowLocked(r *member, id ledger.StreamID, known []ledger.Remembered) bool {
	for _, spec := range r.claims.specs {
		if !r.claims.known(spec) && stream.MayMean(spec, id.Resource, known) {
			return true
		}
	}
	if !r.claims.surveyed {
		return stream.MayStand(s.wildcards, s.o.Excluded, id.Resource)
	}
	return r.claims.unplaced[schema.ParseGroupResource(id.Resource)]
}

// unwatched returns of what in a member's cluster leave is due. Where the member cannot
// be reached its streams find nothing out, and this is where it is noted what none of
// them may mean.
func (s *Sources) unwatched(r *member, now time.Time) []*ledger.Cursor {
	known := s.o.Ledger.Recall(r.name, "")
	r.claims.Lock()
	defer r.claims.Unlock()
	s.watchedLocked(r, known)
	return slices.DeleteFunc(s.o.Ledger.Unwatched(r.name, now), func(c *ledger.Cursor) bool { return s.mayFollowLocked(r, c.ID(), known) })
}

// lookAtUnwatched retires cursors whose retention is over, until ctx ends.
func (s *Sources) lookAtUnwatched(ctx context.Context) {
	tick := time.NewTicker(max(min(lookInterval, s.o.Ledger.Retention()), time.Second))
	defer tick.Stop()
	warned := map[ledger.StreamID]bool{} // in the log
	for {
		select {
		case now := <-tick.C:
			s.retireUnwatched(now, warned)
		case <-ctx.Done():
			return
		}
	}
}

// retireUnwatched begins to retire the cursors whose retention is over, for each route by
// itself. What is under way goes on.
func (s *Sources) retireUnwatched(now time.Time, warned map[ledger.StreamID]bool) {
	s.mu.Lock()
	members := slices.Collect(maps.Values(s.members))
	s.mu.Unlock()
	for _, r := range members {
		due := map[string][]*ledger.Cursor{} // by route
		for _, c := range s.unwatched(r, now) {
			due[c.ID().Route] = append(due[c.ID().Route], c)
		}
		for _, route := range s.routes() {
			all := slices.DeleteFunc(due[route.Name], func(c *ledger.Cursor) bool {
				return !s.canRetire(c, warned)
			})
			if len(all) > 0 {
				s.startRetiring(r, route, all)
			}
		}
	}
}

// canRetire reports whether the ledger knows enough of a cursor's objects to deliver their
// deletions. A cursor from before that was recorded stays as it is.
func (s *Sources) canRetire(c *ledger.Cursor, warned map[ledger.StreamID]bool) bool {
	id, m := c.ID(), c.Meaning()
	can := m.Version != "" && m.Kind != ""
	if !can && !warned[id] {
		warned[id] = true
		s.o.Log.Info("Nobody has followed a resource for long, and the deletions of its objects cannot be delivered: the ledger does not have their version and kind; "+
			"fairlead ledger forget --resource forgets them", "cluster", id.Cluster, "resource", id.Resource, "route", id.Route)
	}
	return can
}

func (s *Sources) startRetiring(r *member, route stream.Route, all []*ledger.Cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.children == nil || r.retiring[route.Name] {
		return
	}
	// What waits in the queue comes first, so that nothing of another cluster under the
	// same name takes its place there.
	slices.SortStableFunc(all, func(a, b *ledger.Cursor) int { return min(b.Unacked(), 1) - min(a.Unacked(), 1) })
	r.retiring[route.Name] = true
	r.children.Start("retire for "+route.Name, func(ctx context.Context) error {
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(r.retiring, route.Name)
		}()
		for _, c := range all {
			s.retire(ctx, r, route, c)
		}
		return nil
	})
}

// retire retires one cursor, unless its stream is followed again.
func (s *Sources) retire(ctx context.Context, r *member, route stream.Route, c *ledger.Cursor) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !r.claims.retire(c, cancel) {
		return
	}
	defer r.claims.retired(c)
	id := c.ID()
	log := s.o.Log.WithValues("cluster", id.Cluster, "clusterUID", id.ClusterUID, "resource", id.Resource, "namespace", id.Namespace, "route", id.Route)
	if !c.Owned() || ctx.Err() != nil {
		return
	}
	log.Info("Nobody has followed a resource for long; delivering the deletions of all its objects", "objects", c.Stats().Known)
	switch err := stream.Retire(ctx, route, c, max(s.o.Term, 1)); {
	case !c.Owned():
		log.Info("It is followed again")
	case err == nil:
		log.Info("The sink has accepted the deletions of all its objects")
	}
}

// retire records that a cursor is being retired, unless its objects are followed, which
// may have begun since it was chosen.
func (k *claims) retire(c *ledger.Cursor, cancel context.CancelFunc) bool {
	k.Lock()
	defer k.Unlock()
	id := c.ID()
	for _, of := range k.of {
		if slices.ContainsFunc(of, id.SameStream) || follows(of, id) {
			c.Release()
			return false
		}
	}
	if k.retiring == nil {
		k.retiring = map[*ledger.Cursor]context.CancelFunc{}
	}
	k.retiring[c] = cancel
	return true
}

func (k *claims) retired(c *ledger.Cursor) {
	k.Lock()
	defer k.Unlock()
	delete(k.retiring, c)
}
