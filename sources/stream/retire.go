package stream

import (
	"cmp"
	"context"
	"slices"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/member"
)

// retire takes leave of the clusters that bore this member's name before.
// Sinks are told that all objects of theirs are gone, as objects of the cluster
// that they were in, and have accepted it before anything of the new cluster is
// offered: both have the same keys in the queue, where a newer change replaces
// one that waits.
//
// A cursor is dropped when nothing of it is left. What is interrupted before,
// by a new session or by the end of the process, goes on with the next attempt.
func (a *attempt) retire(ctx context.Context, t *target) error {
	if len(t.former) == 0 {
		return nil
	}
	// A retry would be of this cluster, between what is of the others.
	if err := a.begin(); err != nil {
		return err
	}
	defer a.turn.end()
	a.setState(member.Syncing, replacedCluster)
	a.guard.enter(parked) // it is the sinks that are waited for
	if t.cursor.Unacked() > 0 {
		// This cluster is back before all of its own tombstones were accepted.
		// Those that wait in the queue may have to make way for others now.
		t.cursor.RaiseDue()
	}
	// What waits in the queue comes first, so that nothing of another cluster
	// takes its place there.
	slices.SortFunc(t.former, func(x, y *ledger.Cursor) int { return cmp.Compare(y.Unacked(), x.Unacked()) })
	for len(t.former) > 0 {
		former := t.former[0]
		id := former.ID()
		if stats := former.Stats(); stats.Known+stats.Unacked > 0 {
			a.log.Info("Another cluster has taken the name; taking leave of what was known of the one before",
				"resource", t.name, "clusterUID", t.id.ClusterUID, "was", id.ClusterUID, "objects", stats.Known)
		}
		if err := a.bury(former.Retire(), a.origin(before(former, t.resource), former, id.ClusterUID)); err != nil {
			return err
		}
		if err := a.acks.until(ctx, func() bool { return former.Unacked() == 0 }); err != nil {
			return err
		}
		a.ledger.Drop(id)
		t.former = t.former[1:]
	}
	return nil
}

// before returns a resource as it was delivered from a cursor, which may be of
// another version; now is for cursors that do not tell.
func before(cursor *ledger.Cursor, now resource) resource {
	if m := cursor.Meaning(); m != (ledger.Meaning{}) {
		now.gvr.Version, now.kind, now.namespaced = m.Version, m.Kind, m.Namespaced
	}
	return now
}
