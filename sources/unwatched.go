package sources

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// What is not followed any more (its --watch is gone) is kept in the ledger for the
// retention, and then taken leave of: its sinks are told that all of it is gone, through
// their lanes like anything else. That needs no connection to the cluster, as the ledger
// has all that there is to tell.

// lookInterval is how often it is looked for what is due. Nothing is before that long
// after the start: a machine may boot with a wrong clock, and has set it by then.
const lookInterval = time.Hour

// claims are the cursors that a member's streams have found to be theirs.
type claims struct {
	sync.Mutex
	of      map[int]map[ledger.StreamID]bool      // by the place of the stream's spec
	leaving map[*ledger.Cursor]context.CancelFunc // of those of which leave is taken
}

// claimed notes which cursors a member's stream uses. Once that is known of all its
// streams, the ledger is told: others are of what nobody follows any more. What is
// followed after all, also in another API group, is taken leave of no further.
func (s *Sources) claimed(r *member, stream int, ids []ledger.StreamID) {
	k := &r.claims
	k.Lock()
	defer k.Unlock()
	if k.of == nil {
		k.of = map[int]map[ledger.StreamID]bool{}
	}
	if k.of[stream] == nil {
		k.of[stream] = map[ledger.StreamID]bool{}
	}
	for _, id := range ids {
		k.of[stream][id] = true
	}
	for c, cancel := range k.leaving {
		switch id := c.ID(); {
		case !c.Owned() || slices.ContainsFunc(ids, id.SameStream):
			cancel()
		case follows(ids, id):
			c.Release()
			cancel()
		}
	}
	if len(k.of) == len(s.o.Specs) {
		s.watchedLocked(r, nil)
	}
}

// watchedLocked tells the ledger what the member's streams follow, as far as they have
// found that out. The claims are locked.
func (s *Sources) watchedLocked(r *member, known []ledger.Remembered) {
	var all []ledger.StreamID
	for _, of := range r.claims.of {
		all = slices.AppendSeq(all, maps.Keys(of))
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
// mean a resource.
func (s *Sources) mayFollowLocked(r *member, id ledger.StreamID, known []ledger.Remembered) bool {
	for i, spec := range s.o.Specs {
		if r.claims.of[i] == nil && stream.MayMean(spec, id.Resource, known) {
			return true
		}
	}
	return false
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

// lookAtUnwatched has leave taken of what is due until ctx ends.
func (s *Sources) lookAtUnwatched(ctx context.Context) {
	tick := time.NewTicker(max(min(lookInterval, s.o.Ledger.Retention()), time.Second))
	defer tick.Stop()
	untold := map[ledger.StreamID]bool{} // in the log
	for {
		select {
		case now := <-tick.C:
			s.takeLeaves(now, untold)
		case <-ctx.Done():
			return
		}
	}
}

// takeLeaves begins to take leave of what is due, for each route by itself. What is
// under way goes on.
func (s *Sources) takeLeaves(now time.Time, untold map[ledger.StreamID]bool) {
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
				return !s.canTell(c, untold)
			})
			if len(all) > 0 {
				s.startLeave(r, route, all)
			}
		}
	}
}

// canTell reports whether the ledger knows enough of a cursor's objects to have their
// deletions told. One from a time when that was not noted stays as it is.
func (s *Sources) canTell(c *ledger.Cursor, untold map[ledger.StreamID]bool) bool {
	id, m := c.ID(), c.Meaning()
	can := m.Version != "" && m.Kind != ""
	if !can && !untold[id] {
		untold[id] = true
		s.o.Log.Info("Nobody has followed a resource for long, and that its objects are gone cannot be told: the ledger does not have their version and kind; "+
			"fairlead ledger forget --resource forgets them", "cluster", id.Cluster, "resource", id.Resource, "route", id.Route)
	}
	return can
}

func (s *Sources) startLeave(r *member, route stream.Route, all []*ledger.Cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.children == nil || r.leaves[route.Name] {
		return
	}
	// What waits in the queue comes first, so that nothing of another cluster under the
	// same name takes its place there.
	slices.SortStableFunc(all, func(a, b *ledger.Cursor) int { return min(b.Unacked(), 1) - min(a.Unacked(), 1) })
	r.leaves[route.Name] = true
	r.children.Start("taking leave for "+route.Name, func(ctx context.Context) error {
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(r.leaves, route.Name)
		}()
		for _, c := range all {
			s.takeLeave(ctx, r, route, c)
		}
		return nil
	})
}

// takeLeave takes leave of one cursor, unless its stream is followed again.
func (s *Sources) takeLeave(ctx context.Context, r *member, route stream.Route, c *ledger.Cursor) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !r.claims.leave(c, cancel) {
		return
	}
	defer r.claims.left(c)
	id := c.ID()
	log := s.o.Log.WithValues("cluster", id.Cluster, "clusterUID", id.ClusterUID, "resource", id.Resource, "namespace", id.Namespace, "route", id.Route)
	if !c.Owned() || ctx.Err() != nil {
		return
	}
	log.Info("Nobody has followed a resource for long; taking leave of what was known of it", "objects", c.Stats().Known)
	switch err := stream.TakeLeave(ctx, route, c, max(s.o.Term, 1)); {
	case !c.Owned():
		log.Info("It is followed again")
	case err == nil:
		log.Info("The sink has accepted that all of it is gone")
	}
}

// leave notes that leave is taken of a cursor, unless its objects are followed, as they
// may be since it was chosen.
func (k *claims) leave(c *ledger.Cursor, cancel context.CancelFunc) bool {
	k.Lock()
	defer k.Unlock()
	id := c.ID()
	for _, of := range k.of {
		if ids := slices.Collect(maps.Keys(of)); slices.ContainsFunc(ids, id.SameStream) || follows(ids, id) {
			c.Release()
			return false
		}
	}
	if k.leaving == nil {
		k.leaving = map[*ledger.Cursor]context.CancelFunc{}
	}
	k.leaving[c] = cancel
	return true
}

func (k *claims) left(c *ledger.Cursor) {
	k.Lock()
	defer k.Unlock()
	delete(k.leaving, c)
}
