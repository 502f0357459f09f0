package stream

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// The deletion of U may have been put away, and V may have the name by now. Who keeps a row
// for each UID has to be told that U is gone; who keeps one for each name, ordered by term
// and sequence, must not lose V by that. So the deletion is sent as any other of a UID whose
// name is taken, a ghost's, and V's state comes right behind it, once more:
//
//	Redeliver ── V, without its object ──▶ lane ──▶ Reread ── list of one ──▶ lane ──▶ deletion of U, V

// successorOf returns the change that has a deletion precede it: the state of what has its
// name. Its object is read again before it is handed over.
func (s *Stream) successorOf(b *branch, cursor *ledger.Cursor, gone *pipeline.Change) (*ledger.Redelivery, *pipeline.Change, error) {
	name, version := identity(gone)
	r, next, err := cursor.RedeliverGhost(name, version.UID)
	if err != nil {
		return nil, nil, err
	}
	origin := *gone.Origin
	origin.Tracker = successorTracker{rereader{tracker{cursor: cursor, acks: b.acks, buffers: s.buffers}, s, b}}
	return r, &pipeline.Change{
		Key: gone.Key, Origin: &origin, Op: pipeline.Updated,
		UID: types.UID(next.Version.UID), ResourceVersion: next.Version.ResourceVersion,
		Snapshot: true, Observed: time.Now(), Sequence: next.Sequence, Generation: next.Generation,
		Evicted: 1, // how large the object is tells the member
		Rests:   true,
	}, nil
}

// successorTracker is the tracker of a change that successorOf has made.
type successorTracker struct{ rereader }

// passed reports whether the stream has passed a state of the change's object in which
// nothing that counts has changed: it will not show it again, and it is as good as the one
// that was acked.
func (t successorTracker) passed(c *pipeline.Change, v ledger.Version) bool {
	return v.UID == string(c.UID) && t.cursor.Reached(v.ResourceVersion)
}
