package ledger

import (
	"context"
	"fmt"
	"io"
)

// Handle is a ledger that is open, for users of the library: they open it, hand it to
// what keeps its cursors there, run it and close it, and see nothing of its inside.
type Handle struct {
	ledger *Ledger
	store  Store
}

// NewHandle returns a handle of l. Close closes store, which may be nil.
func NewHandle(l *Ledger, store Store) *Handle { return &Handle{l, store} }

// Of returns the ledger of a handle. It is no method, so that users do not have it.
func Of(h *Handle) *Ledger { return h.ledger }

// Run stores what changes, once in an interval if anything does, until ctx ends, and then
// once more. It returns the error of that last time. End it after everything that uses the
// ledger. It must not be called again.
func (h *Handle) Run(ctx context.Context) error { return h.ledger.Run(ctx) }

// Close closes the store. Call it once, after Run has returned.
func (h *Handle) Close() error {
	c, ok := h.store.(io.Closer)
	if !ok {
		return nil
	}
	if err := c.Close(); err != nil {
		return fmt.Errorf("close the ledger: %w", err)
	}
	return nil
}
