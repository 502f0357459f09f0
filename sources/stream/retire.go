package stream

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources/member"
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
		origin := a.origin(b, before(former, a.found), former, id.ClusterUID)
		if err := leave(ctx, former, b.acks, func(all iter.Seq[ledger.Tombstone]) error { return a.bury(b, all, origin) }); err != nil {
			return err
		}
		a.ledger.Retired(former, b.cursor)
		b.former = b.former[1:]
	}
	return nil
}

// tellAgain is after how long what was told of a leave is told again as far as it is not
// accepted. A newer change of the same name may have taken its place in the queue, and
// then nobody else brings it back.
const tellAgain = time.Minute

// leave has all that a sink may hold of a cursor told to be gone, and returns once the
// sink has accepted it, or somebody has claimed the cursor. It fails when tell does, or
// when ctx ends.
func leave(ctx context.Context, cursor *ledger.Cursor, acks *bell, tell func(iter.Seq[ledger.Tombstone]) error) error {
	over := func() bool { return !cursor.Owned() || cursor.Unacked() == 0 }
	for {
		if err := tell(cursor.Retire()); err != nil {
			return err
		}
		soon, cancel := context.WithTimeout(ctx, tellAgain)
		err := acks.until(soon, over)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// before returns a resource as it was delivered from a cursor, which may be of
// another version; now is for cursors that do not tell.
func before(cursor *ledger.Cursor, now resource) resource {
	if m := cursor.Meaning(); m != (ledger.Meaning{}) {
		now.gvr.Version, now.kind, now.namespaced = m.Version, m.Kind, m.Namespaced
	}
	return now
}
