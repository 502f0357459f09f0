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

// retire delivers the deletions of all objects of the clusters that had this member's
// name before, as objects of those clusters. The sinks have accepted them before
// anything of the new cluster is offered: both have the same keys in the queue, where a
// newer change replaces one that waits.
//
// A cursor is dropped when it is empty. If a new session or the end of the process
// interrupts that, the next attempt continues.
//
// Of several branches, each one with deletions to deliver reads for itself, at the pace
// of its sink; only the last one stays.
func (a *attempt) retire(ctx context.Context) error {
	for _, b := range a.branches() {
		if len(b.predecessors) == 0 {
			continue
		}
		if len(a.branches()) > 1 && b.mustRetire() {
			a.detach(b, behindReplaced)
			continue
		}
		if err := a.retireFrom(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// mustRetire reports whether the sink may hold objects of the clusters before.
func (b *branch) mustRetire() bool {
	return slices.ContainsFunc(b.predecessors, func(c *ledger.Cursor) bool {
		stats := c.Stats()
		return stats.Known+stats.Unacked > 0
	})
}

func (a *attempt) retireFrom(ctx context.Context, b *branch) error {
	a.setState(member.Syncing, replacedCluster)
	a.watchesNothing(true)   // what was watched before was of another cluster
	a.watchdog.enter(parked) // it is the sinks that are waited for
	// What waits in the queue comes first, so that nothing of another cluster
	// takes its place there.
	slices.SortFunc(b.predecessors, func(x, y *ledger.Cursor) int { return cmp.Compare(y.Unacked(), x.Unacked()) })
	for len(b.predecessors) > 0 {
		predecessor := b.predecessors[0]
		id := predecessor.ID()
		if stats := predecessor.Stats(); stats.Known+stats.Unacked > 0 {
			a.log.Info("Another cluster has taken the name; delivering the deletions of all objects of the one before",
				"resource", id.Resource, "clusterUID", b.id.ClusterUID, "was", id.ClusterUID, "objects", stats.Known)
		}
		origin := a.origin(b, before(predecessor, a.found), predecessor, id.ClusterUID)
		if err := retireCursor(ctx, predecessor, b.acks, func(all iter.Seq[ledger.Tombstone]) error { return a.offerTombstones(b, predecessor, all, origin) }); err != nil {
			return err
		}
		a.ledger.Retired(predecessor, b.cursor)
		b.predecessors = b.predecessors[1:]
	}
	return nil
}

// retireAgain is after how long deletions that are not accepted are offered again. A newer
// change of the same name may have replaced one in the queue, and then nothing else
// brings it back.
const retireAgain = time.Minute

// retireCursor offers the deletions of all objects that a sink may hold of a cursor, and returns
// once the sink has accepted them, or somebody has claimed the cursor. It fails when
// offer does, or when ctx ends.
func retireCursor(ctx context.Context, cursor *ledger.Cursor, acks *ackSignal, offer func(iter.Seq[ledger.Tombstone]) error) error {
	over := func() bool { return !cursor.Owned() || cursor.Unacked() == 0 }
	for {
		if err := offer(cursor.Retire()); err != nil {
			return err
		}
		soon, cancel := context.WithTimeout(ctx, retireAgain)
		err := acks.waitUntil(soon, over)
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

// Ended reports whether the stream has nothing to do: it cannot follow its resource at the
// moment, and no sink holds anything of it. One whose resource the cluster does not serve
// any more can end then.
func (s *Stream) Ended() bool {
	if state := s.allReaders()[0].standing.status().State; state != member.Waiting && state != member.BackingOff {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(s.branches, func(b *branch) bool {
		return b.cursor != nil && (b.cursor.Unacked() > 0 || b.cursor.Stats().Known > 0)
	})
}
