package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// ObjectName names an object of a stream.
type ObjectName struct{ Namespace, Name string }

// Repair has a snapshot deliver these objects again to the route, and to it alone: in the state
// that the member has by then, or as a deletion if it does not have them and the ledger knows
// them. What the ledger does not know is delivered by the snapshot in any case. It returns what
// the stream waits for before that begins; empty: nothing. It is stored once the ledger is
// flushed. It fails once another cluster has the member's name.
func (c *Comparison) Repair(names []ObjectName) (waits string, err error) {
	if err := c.check(); err != nil {
		return "", err
	}
	all := make([]ledger.Name, len(names))
	for i, n := range names {
		all[i] = ledger.Name{Namespace: n.Namespace, Name: n.Name}
	}
	c.cursor.RaiseDueOf(slices.Values(all))
	return c.stream.askForReplay(func(b *branch) bool { return b == c.branch }), nil
}

// ErrLaneFull is what Bury returns if a deletion finds no room.
var ErrLaneFull = errors.New("its lane has had no room")

// Errors of Bury.
var (
	errOddState = errors.New("the sink has it with a version or UID that no cluster gives, so that no deletion can name it; delete it there")
	errSelector = errors.New("its watch selects by labels or fields, so the cluster may have it; delete it in the sink")
	errAhead    = errors.New("the sink has it with a version that the cluster has not come to; delete it there")
)

// Bury has the route deliver the deletion of an object that its sink has in this state, although
// the member does not have the object, and the ledger does not know it: a tombstone, which comes
// before whatever the stream observes of the name from now on. Where a later deletion of the name
// is remembered, the tombstone has the version of that one: a row that the sink has kept, or got
// back from a backup, is older than what it has accepted. It blocks while the lane is full, until
// ctx ends.
func (c *Comparison) Bury(ctx context.Context, n ObjectName, uid, version string) error {
	s := c.stream
	if s.spec.Labels != "" || s.spec.Fields != "" {
		return errSelector
	}
	if number, err := strconv.ParseUint(version, 10, 64); err != nil || number == 0 || !isPlain(uid) || !isPlain(n.Name) || n.Namespace != "" && !isPlain(n.Namespace) {
		return errOddState
	}
	if err := c.check(); err != nil {
		return err
	}
	if !c.cursor.Reached(version) {
		return errAhead
	}
	s.mu.Lock()
	what := s.what
	s.mu.Unlock()
	if what.namespaced != (n.Namespace != "") {
		return errOddState
	}
	t := ledger.Tombstone{Name: ledger.Name{Namespace: n.Namespace, Name: n.Name}}
	t.Version = ledger.Version{UID: uid, ResourceVersion: later(version, c.cursor.Standing(t.Name).Gone)}
	change := deletionOf(t, &pipeline.Origin{
		Cluster: s.cluster, ClusterUID: c.cursor.ID().ClusterUID,
		Resource: what.gvr, Kind: what.kind, Namespaced: what.namespaced, Term: s.term,
		Tracker: redeliveryTracker{tracker{cursor: c.cursor, acks: c.branch.acks}, pipeline.Deleted},
	})
	r, sequence, err := c.cursor.Redeliver(t.Name, t.Version, true)
	if err != nil {
		return err
	}
	change.Sequence = sequence
	ctx, cancel := context.WithTimeoutCause(ctx, buryWithin, fmt.Errorf("%w for %v; try again later", ErrLaneFull, buryWithin))
	defer cancel()
	if err := s.send(ctx, c.branch, change); err != nil {
		c.cursor.GiveUp(t.Name, r)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return err
	}
	return nil
}

// later returns the higher one of two versions, of which the second may be empty.
func later(version, gone string) string {
	a, _ := strconv.ParseUint(version, 10, 64)
	if b, err := strconv.ParseUint(gone, 10, 64); err == nil && b > a {
		return gone
	}
	return version
}

// buryWithin is how long a deletion waits for room in its lane.
const buryWithin = 10 * time.Second

// isPlain reports whether a text of a sink can be a part of an event's id.
func isPlain(s string) bool {
	const most = 253
	if s == "" || len(s) > most {
		return false
	}
	for _, r := range s {
		if r <= ' ' || r == '/' || r >= 0x7f {
			return false
		}
	}
	return true
}
