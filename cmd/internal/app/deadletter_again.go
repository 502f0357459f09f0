package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// Some records cannot be sent in a first pass over the file: another state of their name is on
// its way, such as that of an earlier record, or a snapshot is. These are offered again for a
// while. So are deletions whose name another object has by now: they take a snapshot, after
// which all is sent that does not need one.

// How long records are offered again, and how often. Deletions that go before the state of
// another object have that long for the snapshot, too: a member that does not answer holds up
// those of the others no longer.
const (
	againFor   = time.Minute
	againEvery = time.Second
)

var errNotWithin = fmt.Errorf("it was not accepted within %v; try again", againFor)

// again offers what the first pass has deferred, and waits for the deletions that go before the
// state of another object.
func (r *resending) again(ctx context.Context, taken *deadletter.Taken, to resender) error {
	ctx, cancel := context.WithTimeoutCause(ctx, againFor, errNotWithin)
	defer cancel()
	for lines := r.deferredLines(); len(lines) > 0; lines = r.deferredLines() {
		lanes := newLetterLanes(func(record *deadletter.Record) {
			ghost := errors.Is(lines[record.Line], stream.ErrNameTaken)
			r.send(record, ghost, func() (*ledger.Redelivery, error) {
				if ghost {
					return to.RedeliverGhost(ctx, record.Sink, &record.Event)
				}
				return to.Redeliver(ctx, record.Sink, &record.Event)
			})
		})
		if _, _, err := r.pass(ctx, taken, lanes, lines); err != nil {
			return err
		}
		if len(r.deferredLines()) == 0 || retry.Sleep(ctx, againEvery) != nil {
			break
		}
	}
	r.wait(ctx, true)
	r.endDeferred()
	return nil
}

// deferredLines returns the lines that are to be offered again, and why.
func (r *resending) deferredLines() map[int]error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.deferred)
}

// endDeferred keeps what has been offered in vain.
func (r *resending) endDeferred() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for line, why := range r.deferred {
		r.keepLocked(line, why)
	}
	clear(r.deferred)
}
