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
// ErrSuperseded means that it would come behind a newer one, ErrNameTaken that it is for
// RedeliverGhost; after any other error it may be tried again later, after ErrNotNow in a
// moment. Any goroutine may call it.
func (s *Sources) Redeliver(ctx context.Context, route string, e *pipeline.Event) (r *Redelivery, err error) {
	err = s.redeliver(ctx, e, func(ctx context.Context, st *stream.Stream) error {
		r, err = st.Redeliver(ctx, route, e)
		return err
	})
	return r, err
}

// RedeliverGhost is Redeliver for the deletion of an object whose name another one has by now.
// It is delivered as a tombstone, and behind it the state of that other one once more, which a
// snapshot reads from the member. The ledger has both as owed, also after a restart, until they
// are accepted. The Redelivery reports when the deletion is. It does not block. ErrSuperseded
// means that the object exists again.
func (s *Sources) RedeliverGhost(ctx context.Context, route string, e *pipeline.Event) (r *Redelivery, err error) {
	err = s.redeliver(ctx, e, func(_ context.Context, st *stream.Stream) error {
		r, err = st.RedeliverGhost(route, e)
		return err
	})
	return r, err
}

// redeliver calls do with the stream that follows the object of an event.
func (s *Sources) redeliver(ctx context.Context, e *pipeline.Event, do func(context.Context, *stream.Stream) error) error {
	key := e.Key()
	surveyed := s.surveyed(key.Cluster) // asked before, so that its streams are among them
	ctx, streams, done, ok := s.redelivering(ctx, key.Cluster)
	if !ok {
		return fmt.Errorf("cluster %q is not in the fleet", key.Cluster)
	}
	defer done()
	for _, st := range streams {
		if st.Follows(key) {
			return do(ctx, st)
		}
	}
	isUnknown := func(st *stream.Stream) bool { return st.Status().Resource == "" }
	if !surveyed || slices.ContainsFunc(streams, isUnknown) {
		return fmt.Errorf("what is followed in cluster %q is not known yet", key.Cluster)
	}
	where := ""
	if key.Namespace != "" {
		where = fmt.Sprintf(" of namespace %q", key.Namespace)
	}
	return fmt.Errorf("%s%s are not followed in cluster %q", key.Resource, where, key.Cluster)
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
