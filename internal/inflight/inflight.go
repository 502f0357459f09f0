// Package inflight ends the calls of something that is closed.
//
//	Write ── Begin(ctx) ──▶ work with its context ── done
//	               ▲ ends it, and refuses those to come
//	Close ── Close ┘ waits for those under way
//
// After Close has returned, no call is under way and none begins, so that what the calls
// use can be given back. It trusts that calls heed their context.
package inflight

import (
	"context"
	"errors"
	"sync"
)

// ErrClosed is why a call ends, or does not begin, once Close was called.
var ErrClosed = errors.New("it was closed")

// Calls are the calls of one value. The zero value has none. Its methods may be called by
// any goroutine; it must not be copied.
type Calls struct {
	mu     sync.Mutex
	closed bool
	ends   map[*context.CancelCauseFunc]struct{} // of the calls under way
	all    sync.WaitGroup
}

// Begin begins a call. Its context ends with ctx, or with cause ErrClosed when Close is
// called. The caller calls done once, at the end of the call. The error is ErrClosed.
func (c *Calls) Begin(ctx context.Context) (of context.Context, done func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, ErrClosed
	}
	of, cancel := context.WithCancelCause(ctx)
	if c.ends == nil {
		c.ends = map[*context.CancelCauseFunc]struct{}{}
	}
	c.ends[&cancel] = struct{}{}
	c.all.Add(1)
	return of, func() {
		c.mu.Lock()
		delete(c.ends, &cancel)
		c.mu.Unlock()
		cancel(nil)
		c.all.Done()
	}, nil
}

// Close ends the calls under way and returns when they have returned. It reports whether
// it is the first; each later one waits likewise.
func (c *Calls) Close() (first bool) {
	c.mu.Lock()
	first = !c.closed
	c.closed = true
	for end := range c.ends {
		(*end)(ErrClosed)
	}
	c.mu.Unlock()
	c.all.Wait()
	return first
}
