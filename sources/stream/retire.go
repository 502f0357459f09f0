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
//
// Of several branches each that has something to take leave of does so by itself,
// at the pace of its sink; only the last one stays.
func (a *attempt) retire(ctx context.Context) error {
	for _, b := range a.branches() {
		if len(b.former) == 0 {
			continue
		}
		if len(a.branches()) > 1 && b.holdsFormer() {
			a.letGo(b, behindReplaced)
			continue
		}
		if err := a.retireFrom(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// holdsFormer reports whether sinks may hold anything of the clusters before.
func (b *branch) holdsFormer() bool {
	return slices.ContainsFunc(b.former, func(c *ledger.Cursor) bool {
		stats := c.Stats()
		return stats.Known+stats.Unacked > 0
	})
}

func (a *attempt) retireFrom(ctx context.Context, b *branch) error {
	a.setState(member.Syncing, replacedCluster)
	a.guard.enter(parked) // it is the sinks that are waited for
	// What waits in the queue comes first, so that nothing of another cluster
	// takes its place there.
	slices.SortFunc(b.former, func(x, y *ledger.Cursor) int { return cmp.Compare(y.Unacked(), x.Unacked()) })
	for len(b.former) > 0 {
		former := b.former[0]
		id := former.ID()
		if stats := former.Stats(); stats.Known+stats.Unacked > 0 {
			a.log.Info("Another cluster has taken the name; taking leave of what was known of the one before",
				"resource", id.Resource, "clusterUID", b.id.ClusterUID, "was", id.ClusterUID, "objects", stats.Known)
		}
		if err := a.bury(b, former.Retire(), a.origin(b, before(former, a.found), former, id.ClusterUID)); err != nil {
			return err
		}
		if err := b.acks.until(ctx, func() bool { return former.Unacked() == 0 }); err != nil {
			return err
		}
		a.ledger.Drop(id)
		b.former = b.former[1:]
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
