package sources

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// Redeliver offers a state that counts as accepted by a route's sink, such as one that
// it refused for good, once more to that route: an event with the same id. It blocks
// while the cluster's lane is full. The Redelivery reports when the state is accepted.
// ErrSuperseded means that it would come behind a newer one; after any other error it
// may be tried again later. Any goroutine may call it.
func (s *Sources) Redeliver(ctx context.Context, route string, e *pipeline.Event) (*Redelivery, error) {
	key := e.Key()
	surveyed := s.surveyed(key.Cluster) // asked before, so that its streams are among them
	ctx, streams, done, ok := s.redelivering(ctx, key.Cluster)
	if !ok {
		return nil, fmt.Errorf("cluster %q is not in the fleet", key.Cluster)
	}
	defer done()
	for _, st := range streams {
		if st.Follows(key) {
			return st.Redeliver(ctx, route, e)
		}
	}
	isUnknown := func(st *stream.Stream) bool { return st.Status().Resource == "" }
	if !surveyed || slices.ContainsFunc(streams, isUnknown) {
		return nil, fmt.Errorf("what is followed in cluster %q is not known yet", key.Cluster)
	}
	where := ""
	if key.Namespace != "" {
		where = fmt.Sprintf(" of namespace %q", key.Namespace)
	}
	return nil, fmt.Errorf("%s%s are not followed in cluster %q", key.Resource, where, key.Cluster)
}

// errLeaves ends what is done for a member that leaves.
var errLeaves = errors.New("the cluster leaves the fleet")

// redelivering is streams for what offers changes of a member: its ctx ends when the member
// leaves, whose lane is not removed before done is called.
func (s *Sources) redelivering(ctx context.Context, cluster string) (_ context.Context, _ []*stream.Stream, done func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.presentLocked(cluster)
	if !ok {
		return nil, nil, nil, false
	}
	ctx, cancel := context.WithCancelCause(ctx)
	forgetLocked := r.whenLeavingLocked(func() { cancel(errLeaves) })
	r.redelivering.Add(1)
	return ctx, r.streams, func() {
		cancel(nil)
		s.mu.Lock()
		forgetLocked()
		s.mu.Unlock()
		r.redelivering.Done()
	}, true
}

// streams returns a member's streams; not ok if there is no such member, or it
// is leaving.
func (s *Sources) streams(cluster string) (_ []*stream.Stream, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.presentLocked(cluster)
	if !ok {
		return nil, false
	}
	return r.streams, true
}
