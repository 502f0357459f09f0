package batch

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/pipeline"
)

const (
	// panicQuiet is for how long no more panics are logged.
	panicQuiet = time.Hour
	// panicMost bounds what is told of a panic, and panicStack its stack, in bytes.
	panicMost  = 500
	panicStack = 8 << 10
)

// guarded calls f, and returns a panic as an error. Who encodes objects of others may panic for
// one of them. It would end the process, which meets the same object after each start, and keep
// all clusters from all sinks. So a panic is a permanent error: halves find the object, and it
// is given up like any other that the sink never accepts. One that comes for every change
// dead-letters few of them, see mostGivenUp.
func (b *Batcher) guarded(what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = pipeline.Permanent(fmt.Errorf("%s panicked: %s", what, redact.Cut(fmt.Sprint(p), panicMost)))
			b.panicked(err, debug.Stack())
		}
	}()
	return f()
}

// panicked logs a panic, unless one was logged of late.
func (b *Batcher) panicked(err error, stack []byte) {
	now := time.Now()
	b.mu.Lock()
	tell := b.panickedAt.IsZero() || now.Sub(b.panickedAt) >= panicQuiet
	if tell {
		b.panickedAt = now
	}
	b.mu.Unlock()
	if tell {
		b.opts.Log.Error(err, "A defect in the program or in the sink: a panic, which is taken for a refusal. More are not logged for an hour",
			"sink", b.name, "stack", string(stack[:min(len(stack), panicStack)]))
	}
}
