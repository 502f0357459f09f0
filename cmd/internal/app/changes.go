package app

import (
	"context"
	"errors"
	"sync"
)

var (
	// errStopping is why settings are not changed while the program stops.
	errStopping = errors.New("the program is stopping")
	// errNewer ends the opening for settings that are not the newest any more.
	errNewer = errors.New("there are newer settings")
)

// changes hands new settings to the goroutine that has the engine. While no engine runs, the
// newest are kept: a follower opens one with them when it leads, and a leader that waits for
// something begins again. Once it runs, it is asked.
//
//	reloader ──▶ kept ──▶ program.open ──▶ program.obey
//	         └───────── requests ────────▶
type changes struct {
	mu       sync.Mutex
	newest   *settings
	before   *settings               // the newest before, nil if there is none
	running  bool                    // further ones are asked for
	newer    context.CancelCauseFunc // tells program.open; nil: it has not begun
	refused  *refusal                // not told yet
	requests chan change             // taken by program.obey
}

// change asks for other settings.
type change struct {
	settings *settings
	done     chan<- error // has room for one
}

// refusal says that settings which were kept cannot be used.
type refusal struct {
	settings *settings
	instead  *settings // that are in effect
	err      error
}

func newChanges(s *settings) *changes { return &changes{newest: s, requests: make(chan change)} }

// now returns the newest settings.
func (c *changes) now() *settings {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.newest
}

// take returns what to open the engine with, and what to use if it cannot be (nil: nothing).
// The context ends, with errNewer, when there are newer ones.
func (c *changes) take(ctx context.Context) (_ context.Context, newest, before *settings) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.newer != nil {
		c.newer(nil)
	}
	ctx, c.newer = context.WithCancelCause(ctx)
	return ctx, c.newest, c.before
}

// keep has settings be what the engine is opened with, unless one runs.
func (c *changes) keep(s *settings) (kept bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		return false
	}
	c.before, c.newest = c.newest, s
	if c.newer != nil {
		c.newer(errNewer)
	}
	return true
}

// run says that an engine runs, and returns the newest settings, which may not be its own.
func (c *changes) run() *settings {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = true
	if c.newer != nil {
		c.newer(nil)
	}
	return c.newest
}

// refuse notes that settings which were kept cannot be used.
func (c *changes) refuse(s, instead *settings, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = &refusal{s, instead, err}
	if c.newest == s {
		c.newest, c.before = instead, nil
	}
}

// takeRefusal returns what has been refused since it was asked last; nil: nothing.
func (c *changes) takeRefusal() *refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.refused
	c.refused = nil
	return r
}

// change has the program work with other settings, and returns once it does. If it
// cannot, those of before stay in effect.
func (p *program) change(ctx context.Context, s *settings) error {
	if p.changes.keep(s) {
		return nil
	}
	done := make(chan error, 1)
	select {
	case p.changes.requests <- change{s, done}:
	case <-p.stopping:
		return errStopping
	case <-ctx.Done():
		return errStopping
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errStopping
	}
}
