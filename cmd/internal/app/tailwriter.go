package app

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// Bounds of what a tail writes.
const (
	// tailPatience is how long a reader may take for tailPiece bytes: somebody may have
	// stopped a terminal. What was left out meanwhile is told after that.
	tailPatience = 10 * time.Minute
	tailPiece    = 64 << 10
	tailEnd      = 500 * time.Millisecond // for the rest, once the tail is to end
)

// tailWriter writes what a tail shows, and is the one place that sets the deadline of that.
type tailWriter struct {
	to io.Writer
	rc *http.ResponseController

	mu    sync.Mutex
	ended bool
}

// Write gives each piece its own time.
func (w *tailWriter) Write(text []byte) (n int, err error) {
	for len(text) > 0 && err == nil {
		piece := text[:min(len(text), tailPiece)]
		if err = w.extend(); err != nil {
			return n, err
		}
		var wrote int
		wrote, err = w.to.Write(piece)
		n, text = n+wrote, text[len(piece):]
	}
	return n, err
}

// Flush has what was written go out.
func (w *tailWriter) Flush() error {
	if err := w.extend(); err != nil {
		return err
	}
	return w.rc.Flush()
}

// extend begins the time of the next piece, unless the tail is to end.
func (w *tailWriter) extend() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return nil
	}
	return w.rc.SetWriteDeadline(time.Now().Add(tailPatience))
}

// end bounds all that is still written. Any goroutine may call it, more than once.
func (w *tailWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.ended = true
		_ = w.rc.SetWriteDeadline(time.Now().Add(tailEnd)) // else the last one stays
	}
}
