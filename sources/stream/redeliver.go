package stream

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// Errors of Redeliver and RedeliverGhost, beside those that only the member or an operator can
// change.
var (
	// ErrSuperseded says that a state is not to be sent again: it is not the newest known of
	// its object any more.
	ErrSuperseded = ledger.ErrSuperseded
	// ErrNameTaken says that a deletion is of an object whose name another one has by now: see
	// RedeliverGhost.
	ErrNameTaken = ledger.ErrNameTaken
	// ErrNotNow says that it may be tried again in a moment.
	ErrNotNow = ledger.ErrNotNow
	// ErrNoneNow is an ErrNotNow for all that the stream follows; its text names that.
	ErrNoneNow = fmt.Errorf("%w, as nothing of its resource can", ErrNotNow)
)

// Follows reports whether the stream is the one that follows an object. It is
// not known before the stream has first reached its cluster.
func (s *Stream) Follows(key pipeline.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cluster == key.Cluster && s.resource == key.Resource &&
		(s.spec.Namespace == "" || s.spec.Namespace == key.Namespace)
}

// Redeliver offers a state that was acked before once more to one route, as it was
// then: an event with the same id, at a snapshot's priority. It blocks while the
// lane is full. The Redelivery reports when the state is accepted. ErrSuperseded means
// that it would come behind a newer one, ErrNameTaken that it is for RedeliverGhost; after any
// other error it may be tried again later. It may be called from any goroutine, also while the
// stream runs.
func (s *Stream) Redeliver(ctx context.Context, route string, e *pipeline.Event) (*ledger.Redelivery, error) {
	b, cursor, err := s.cursorFor(route, e)
	if err != nil {
		return nil, err
	}
	if _, ok := cursor.Start(); !ok {
		where := ""
		if s.spec.Namespace != "" {
			where = fmt.Sprintf("namespace %q of ", s.spec.Namespace)
		}
		err := fmt.Errorf("what there is of %q in %scluster %q is not known yet: its snapshot is not complete", e.Key().Resource, where, s.cluster)
		if st := s.Status(); st.Connected() {
			err = fmt.Errorf("%w: %w", ErrNoneNow, err)
		}
		return nil, err
	}
	c, err := s.changeOf(e)
	if err != nil {
		return nil, err
	}
	c.Origin.ClusterUID = cursor.ID().ClusterUID // it may have been a digest
	c.Origin.Term = s.term
	c.Origin.Tracker = redeliveryTracker{tracker{cursor: cursor, acks: b.acks}, c.Op}

	name, version := identity(c)
	if !cursor.Reached(version.ResourceVersion) {
		return nil, fmt.Errorf("the stream has not come to version %s of cluster %q yet, or not again", version.ResourceVersion, e.Cluster)
	}
	r, sequence, err := cursor.Redeliver(name, version, c.Op == pipeline.Deleted)
	if err != nil {
		return nil, err
	}
	c.Sequence = sequence
	if err := s.send(ctx, b, c); err != nil {
		cursor.GiveUp(name, r)
		return nil, err
	}
	return r, nil
}

// RedeliverGhost has one route deliver a deletion once more that was acked before, and whose
// object's name another one has by now (ErrNameTaken): as a tombstone before the state of that
// one, which a snapshot or the watch delivers again. The ledger has both as owed until they are
// accepted, also after a restart. The Redelivery reports when the deletion is accepted, which
// takes as long as a snapshot; it does not fail if the member goes away meanwhile. ErrSuperseded
// means that the object exists again; after any other error it may be tried again later. It
// does not block. It may be called from any goroutine, also while the stream runs.
func (s *Stream) RedeliverGhost(route string, e *pipeline.Event) (*ledger.Redelivery, error) {
	b, cursor, err := s.cursorFor(route, e)
	if err != nil {
		return nil, err
	}
	c, err := s.changeOf(e)
	if err != nil {
		return nil, err
	}
	if c.Op != pipeline.Deleted {
		return nil, fmt.Errorf("event %.400q is no deletion", e.ID)
	}
	if st := s.Status(); !st.Connected() {
		return nil, fmt.Errorf("another object has its name by now, and is to be delivered behind it; cluster %q is not connected", s.cluster)
	}
	name, version := identity(c)
	r, err := cursor.RedeliverGhost(name, version.UID)
	if err != nil {
		return nil, err
	}
	s.askForReplay(func(other *branch) bool { return other == b })
	return r, nil
}

// cursorFor returns the branch of a route and its cursor, for what an event tells of.
func (s *Stream) cursorFor(route string, e *pipeline.Event) (*branch, *ledger.Cursor, error) {
	b, cursor, err := s.cursorOf(route)
	switch {
	case err != nil:
		return nil, nil, err
	case !s.Follows(e.Key()):
		return nil, nil, fmt.Errorf("%s is not what is followed here", e.Key())
	case !cursor.IsOf(e.ClusterUID):
		return nil, nil, fmt.Errorf("cluster %q is another one than the one that it was recorded of", s.cluster)
	}
	return b, cursor, nil
}

// send hands over a change that is sent again, once there is memory for it.
func (s *Stream) send(ctx context.Context, b *branch, c *pipeline.Change) error {
	account := b.route.Memory.Account(s.cluster) // the stream may run no more
	defer account.Close()
	return offerPaid(ctx, b.route, account, c)
}

// offerPaid takes the memory for a change of a route's account, and then hands it over;
// it blocks for either.
func offerPaid(ctx context.Context, route Route, account *budget.Account, c *pipeline.Change) (err error) {
	if c.Memory, err = account.Take(ctx, budget.Ask{Own: c.Size()}); err != nil {
		return err
	}
	if err = route.Queue.Offer(ctx, c, snapshotPriority); err != nil {
		c.Release()
	}
	return err
}

// cursorOf returns the branch of a route and its cursor.
func (s *Stream) cursorOf(route string) (*branch, *ledger.Cursor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.branches {
		switch {
		case b.route.Name != route:
		case b.cursor == nil:
			return nil, nil, fmt.Errorf("cluster %q has not been reached yet", s.cluster)
		default:
			return b, b.cursor, nil
		}
	}
	return nil, nil, fmt.Errorf("there is no route %q", route)
}

// changeOf returns the change that an event tells of, if a frame could have told
// of it, too.
func (s *Stream) changeOf(e *pipeline.Event) (*pipeline.Change, error) {
	r := resource{gvr: e.Resource(), kind: e.Kind, namespaced: e.Namespace != ""}
	if e.Op() == 0 || r.gvr.Resource == "" {
		return nil, fmt.Errorf("event %.400q is not one of Fairlead's", e.ID)
	}
	if err := checkNames(r.gvr, r.kind); err != nil {
		return nil, err
	}
	c := &pipeline.Change{
		Key: e.Key(),
		Origin: &pipeline.Origin{
			Cluster: e.Cluster, ClusterUID: e.ClusterUID,
			Resource: r.gvr, Kind: r.kind, Namespaced: r.namespaced,
		},
		Op: e.Op(), UID: uid(e.UID()), ResourceVersion: e.ResourceVersion,
		Snapshot: e.Snapshot, Tombstone: e.Tombstone,
		Object: e.Data, Observed: e.Time, Generation: e.Generation(),
	}
	if c.Object == nil {
		if !c.Tombstone {
			return nil, fmt.Errorf("event %.400q holds no object, and is no tombstone", e.ID)
		}
		return c, nil
	}
	var scan wire.Scanner
	var f wire.Frame
	if !scan.ScanObject(c.Object, &f) {
		return nil, fmt.Errorf("the object of event %.400q is not JSON", e.ID)
	}
	if _, err := r.refuse(c.Object, &f, e.Namespace, true); err != nil {
		return nil, err
	}
	if _, err := reduce(&f, c.Object, false); err != nil {
		return nil, err
	}
	name, version := identityOf(&f)
	name.Namespace = wire.Unquote(f.Namespace)
	if n, v := identity(c); n != name || v != version {
		return nil, fmt.Errorf("event %.400q holds version %q of %s", e.ID, version.ResourceVersion, f.Who())
	}
	// Under whatever kind: with more than metadata it may hold values.
	if c.Key.Resource == "secrets" && !s.cfg.SecretValues && (f.HasMore || !wire.Is(f.Kind, wire.PartialKind)) {
		return nil, errors.New("it holds the values of a Secret, which may not leave the member")
	}
	return c, nil
}

// redeliveryTracker is the tracker of a change that is sent again. A sink that has seen it
// before must see the same event.
type redeliveryTracker struct {
	tracker
	op pipeline.Op
}

func (t redeliveryTracker) Begin(c *pipeline.Change) (ghosts []types.UID, safe <-chan struct{}, superseded bool) {
	ghosts, safe, superseded = t.tracker.Begin(c)
	c.Op = t.op
	return ghosts, safe, superseded
}
