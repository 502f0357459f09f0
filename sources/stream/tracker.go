package stream

import (
	"context"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// tracker lets the reconcile stage talk to the stream's cursor.
type tracker struct {
	cursor  *ledger.Cursor
	acks    *ackSignal
	buffers *wire.Buffers // where objects were copied to
}

// rereader is a tracker whose stream reads objects again, for a branch.
type rereader struct {
	tracker
	stream *Stream
	branch *branch
}

var _ pipeline.Rereader = rereader{}

func (t tracker) Begin(c *pipeline.Change) (ghosts []types.UID, safe <-chan struct{}, superseded bool) {
	name, version := identity(c)
	others, known, safe, superseded := t.cursor.Begin(c.Sequence, name, version, c.Op == pipeline.Deleted)
	c.GhostsFirst = len(others) >= ledger.GhostsAtOnce
	if c.Moved && !superseded {
		t.cursor.Leave(c.Sequence, name)
	}
	if c.Op != pipeline.Deleted {
		c.Op = pipeline.Added
		if known {
			c.Op = pipeline.Updated
		}
	}
	for _, uid := range others {
		ghosts = append(ghosts, types.UID(uid))
	}
	return ghosts, safe, superseded
}

// StoreRefuses implements pipeline.StoreTracker.
func (t tracker) StoreRefuses() <-chan struct{} { return t.cursor.StoreRefuses() }

func (t tracker) Ack(c *pipeline.Change) {
	name, version := identity(c)
	var stored []func()
	if c.Trace != nil && c.Trace.Stored != nil {
		stored = []func(){c.Trace.Stored}
	}
	if c.Ghost {
		t.cursor.AckGhost(name, version.UID, stored...)
		return
	}
	t.cursor.Ack(c.Sequence, name, version, c.Op == pipeline.Deleted, stored...)
	t.acks.notify()
	if t.buffers == nil {
		return
	}
	object := c.Object
	c.Object = nil // who keeps it nevertheless shall not see another one's
	if c.Together.Acked() {
		t.buffers.Put(object)
	}
}

func (t rereader) Reread(c *pipeline.Change) { t.stream.requestReread(t.branch, c) }

// ackSignal wakes one waiter when something was acked.
type ackSignal struct {
	awaited  atomic.Bool
	notified chan struct{} // capacity 1
}

func (b *ackSignal) notify() {
	if !b.awaited.Load() {
		return
	}
	select {
	case b.notified <- struct{}{}:
	default:
	}
}

func newAckSignal() *ackSignal { return &ackSignal{notified: make(chan struct{}, 1)} }

// waitUntil returns when done reports true, which is called again after acks, or when ctx
// ends.
func (b *ackSignal) waitUntil(ctx context.Context, done func() bool) error {
	b.awaited.Store(true)
	defer b.awaited.Store(false)
	for !done() {
		select {
		case <-b.notified:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func identity(c *pipeline.Change) (ledger.Name, ledger.Version) {
	return ledger.Name{Namespace: c.Key.Namespace, Name: c.Key.Name},
		ledger.Version{UID: string(c.UID), ResourceVersion: c.ResourceVersion}
}
