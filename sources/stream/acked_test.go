package stream

import (
	"testing"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// An object's memory is used again once it is acked, and not before.
func TestObjectsLieInBuffersUntilAcked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pool wire.Buffers
		h := start(t, func(o *Options) { o.Buffers = &pool })
		body := h.live()
		next := func(name string, version int) *pipeline.Change {
			t.Helper()
			body.send(event("MODIFIED", name, version))
			synctest.Wait()
			return <-h.queue.changes
		}
		first := next("a", 11)
		memory, content := &first.Object[0], string(first.Object)
		second := next("b", 12)
		if &second.Object[0] == memory || string(first.Object) != content {
			t.Error("an object was overwritten before its ack")
		}
		begin(first)
		first.Origin.Tracker.Ack(first)
		if first.Object != nil {
			t.Error("an acked change still refers to its object")
		}
		third := next("c", 13)
		if &third.Object[0] != memory {
			t.Error("the object's memory was not used again")
		}
	})
}
