package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
)

// errEnded says that nothing is written any more.
var errEnded = errors.New("the ledger is written no more")

// Flush returns once all is stored that the cursors of a cluster had to store when
// it was called: acks, intents, heads, and the resume points that follow from them;
// and what is due of a stream that has claimed none, see RaiseDueOf. It waits for no
// other cluster's part. It fails when ctx ends before that, or Run does, and says what
// the store's last error was. Without a store there is nothing to wait for.
func (l *Ledger) Flush(ctx context.Context, cluster string) error {
	if l.writer == nil {
		return nil
	}
	if l.owesDue(cluster) {
		if err := l.flush(ctx, l.term.cluster, fmt.Sprintf("what is to be delivered again of cluster %q", cluster)); err != nil {
			return err
		}
	}
	l.mu.Lock()
	k := l.clusters[cluster]
	l.mu.Unlock()
	if k == nil {
		return nil
	}
	return l.flush(ctx, k, fmt.Sprintf("what the ledger has of cluster %q", cluster))
}

// flush returns once all is stored that there was of a cluster, or of what is of none.
func (l *Ledger) flush(ctx context.Context, k *cluster, what string) error {
	stored := l.writer.next(k, true)
	var why error
	select {
	case <-stored:
		return nil
	case <-ctx.Done():
		why = context.Cause(ctx)
	case <-l.writer.ended:
		select {
		case <-stored: // by the last transaction
			return nil
		default:
			why = errEnded
		}
	}
	if last := l.writer.lastError(k); last != "" {
		return fmt.Errorf("store %s: %w; the store's last error: %s", what, why, last)
	}
	return fmt.Errorf("store %s: %w", what, why)
}

// next returns what is closed when a transaction that begins later has stored what
// the cluster has for it: its intents, or all that there is.
func (w *writer) next(k *cluster, all bool) <-chan struct{} {
	// A transaction takes its channel before it looks what is dirty, so it
	// holds what the caller has marked before.
	w.mu.Lock()
	stored := w.waiting[k]
	if stored == nil {
		stored = make(chan struct{})
		w.waiting[k] = stored
	}
	if all {
		w.flushed[k] = true
	}
	w.mu.Unlock()
	w.wakeUp()
	return stored
}

// StoreRefuses returns what is closed once the store has refused the part of the cursor's
// cluster, with nothing else, until it takes it: what Begin says is to be waited for takes longer then than
// others should wait. nil: nothing outlives the process.
func (c *Cursor) StoreRefuses() <-chan struct{} {
	if c.writer == nil {
		return nil
	}
	c.writer.mu.Lock()
	defer c.writer.mu.Unlock()
	s := &c.cluster.storing
	if s.refused == nil {
		s.refused = make(chan struct{})
		if s.tried > 0 {
			close(s.refused)
		}
	}
	return s.refused
}

// lastError returns why a cluster's part was not stored, or why nothing was; "" if
// it was.
func (w *writer) lastError(k *cluster) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return cmp.Or(k.storing.lastError, w.status.LastError)
}
