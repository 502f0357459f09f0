package cache

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// watchBody is the answer to an informer's watch. Every way it can break looks
// like its regular end to the informer, which then watches again from the last
// version it saw, instead of listing anew. A watch that broke before it told
// anything is continued here.
type watchBody struct {
	request *informerRequest
	kind    string // content type
	told    bool   // a byte was passed on; only Read uses it
	stop    context.CancelFunc

	mu     sync.Mutex
	body   io.ReadCloser
	flight *flight
	closed bool
}

// Read blocks while the member is not reachable and nothing was told yet.
func (b *watchBody) Read(p []byte) (int, error) {
	for {
		n, err := b.body.Read(p)
		if n > 0 {
			b.told = true
			b.request.informer.heard()
		}
		if err == nil {
			return n, nil
		}
		broken := b.broke(err)
		if n > 0 {
			return n, nil // and what is wrong next time
		}
		if broken && b.told {
			b.outlast()
		}
		if b.told || !broken || !b.reopen() {
			return 0, io.EOF
		}
	}
}

// broke ends the flight, and reports why it did unless that was on purpose. It
// returns whether the watch ended before its time.
func (b *watchBody) broke(err error) bool {
	f := b.flight
	cut := f.aborted()
	f.end()
	b.request.informer.closed(f, !errors.Is(err, io.EOF))
	if errors.Is(err, io.EOF) || b.request.req.Context().Err() != nil {
		return false
	}
	if !cut {
		b.request.gate.report(f.session, b.request.req, err)
	}
	return true
}

// outlast returns when the watch is a second old, or its request is given up. An
// informer lists anew after a watch that told nothing and lasted less than a
// second, counted from before it sent the request, and what it was told of this
// one may be half an event. Of one that began with a list, see listWatch.
func (b *watchBody) outlast() {
	timer := time.NewTimer(time.Until(b.request.began.Add(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.request.req.Context().Done():
	}
}

// reopen continues the watch, if that is possible.
func (b *watchBody) reopen() bool {
	resp, f, err := b.request.open()
	if err != nil {
		return false
	}
	if f == nil || resp.Header.Get("Content-Type") != b.kind {
		_ = resp.Body.Close()
		if f != nil {
			f.end()
		}
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		f.end()
		_ = resp.Body.Close()
		return false
	}
	_ = b.body.Close()
	b.body, b.flight = resp.Body, f
	return true
}

// Close may be called at any time, also during Read.
func (b *watchBody) Close() error {
	b.stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.flight.end()
	return b.body.Close()
}
