package stream

import (
	"context"
	"iter"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// Retire delivers to a route's sink the deletions of all objects that it may hold of
// a cursor which nobody follows any more, see [ledger.Cursor.Retire]. It blocks while the
// cluster's lane is full or there is no memory. It returns once the sink has accepted all
// of them, or somebody has claimed the cursor: deletions that still wait are not handed
// over then. It asks the cluster nothing; the cursor's Meaning has version and kind. It
// fails when ctx ends, or when the queue takes no change of the cluster any more; called
// again, it continues with the deletions that have not been accepted.
func Retire(ctx context.Context, route Route, cursor *ledger.Cursor, term uint64) error {
	id, meaning := cursor.ID(), cursor.Meaning()
	acks := newAckSignal()
	origin := &pipeline.Origin{
		Cluster: id.Cluster, ClusterUID: id.ClusterUID,
		Resource: schema.ParseGroupResource(id.Resource).WithVersion(meaning.Version), Kind: meaning.Kind, Namespaced: meaning.Namespaced,
		Term: term, Tracker: tracker{cursor: cursor, acks: acks},
	}
	account := route.Memory.Account(id.Cluster)
	defer account.Close()
	return retireCursor(ctx, cursor, acks, func(all iter.Seq[ledger.Tombstone]) error {
		for t := range all {
			if err := offerPaid(ctx, route, account, deletionOf(t, origin)); err != nil {
				return err
			}
		}
		return nil
	})
}

// MayMean reports whether a spec that has not been resolved in a cluster may mean a
// resource; known are the streams that the ledger has of the cluster's name. Only the
// cluster can tell what a spec means that has never been resolved there.
func MayMean(s Spec, resource string, known []ledger.Remembered) bool {
	of := func(r ledger.Remembered) bool { return r.Meaning.Name == s.base() || r.ID.Resource == s.base() }
	return !slices.ContainsFunc(known, of) || slices.ContainsFunc(known, func(r ledger.Remembered) bool {
		return of(r) && objectsOf(groupResource(r)) == objectsOf(schema.ParseGroupResource(resource))
	})
}
