package tcpline

import (
	"context"
	"sync/atomic"
)

// Hold is what has come from clients and is kept from the server, so that it arrives
// late: after what other clients, or the same ones on new connections, send meanwhile.
// Its methods may be called by any goroutine.
type Hold struct {
	ways     []*way
	released chan struct{}
}

// way is a connection, as far as it can be held.
type way struct {
	held    atomic.Pointer[Hold]
	waiting atomic.Int64 // bytes of the client's that have come since it was held
	ended   atomic.Bool
}

// Hold has the connections of now carry nothing, in either direction, until Release. Those
// to come heed the line's faults only. There is one hold of a line at a time; any goroutine
// may have it.
func (l *Line) Hold() *Hold {
	h := &Hold{released: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.clients {
		w.waiting.Store(0)
		w.held.Store(h)
		h.ways = append(h.ways, w)
	}
	return h
}

// Waits returns how many of the connections that are still there have at least so many bytes
// from their client that wait. Clients of some protocols send a few bytes of themselves, so
// whoever waits for a request asks for more bytes than these have, and makes the request larger.
func (h *Hold) Waits(bytes int64) (n int) {
	for _, w := range h.ways {
		if w.waiting.Load() >= bytes && !w.ended.Load() {
			n++
		}
	}
	return n
}

// Release carries what is held, and returns the Waits of that moment. It is called once.
func (h *Hold) Release(bytes int64) int {
	n := h.Waits(bytes)
	close(h.released)
	return n
}

// pass returns when the connection is not held, or ctx ends.
func (w *way) pass(ctx context.Context) error {
	h := w.held.Load()
	if h == nil {
		return nil
	}
	select {
	case <-h.released:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
