package stream

import (
	"context"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// An operator may pause a stream. Its queues hold what waits of it and take no more, so a
// stream that is only held stands in Offer, with its watch open, as before a full lane. One
// that is stopped ends what it is at: a watch, a snapshot, an Offer. What it has read and not
// handed over is read again when it is resumed, as its resume point lies before that.

// Pause is what an operator has a stream do.
type Pause int

// What a stream is to do.
const (
	Resumed Pause = iota // it goes on
	Held                 // what is behind opens no watch: its queue takes nothing
	Stopped              // there is no watch
)

// paused is how a stream is paused.
type paused struct {
	of      map[string]Pause // by resource, with group
	changed chan struct{}    // closed when of is replaced; nil: nobody waits for that
}

// SetPaused says which resources of the stream's cluster are paused, until it is called
// again; the map is not changed after. A stream that does not know yet what it follows finds
// out first. It may be called from any goroutine and does not block.
func (s *Stream) SetPaused(of map[string]Pause) {
	s.mu.Lock()
	s.paused.of = of
	if s.paused.changed != nil {
		close(s.paused.changed)
		s.paused.changed = nil
	}
	stopped := of[s.resource] == Stopped
	s.mu.Unlock()
	if stopped {
		for _, r := range s.allReaders() {
			r.requests.stopAttempt()
		}
	}
}

// isPaused reports whether the stream is paused, so far or further. If it is, changed is
// closed when that may be over.
func (s *Stream) isPaused(so Pause) (is bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resource == "" || s.paused.of[s.resource] < so {
		return false, nil
	}
	if s.paused.changed == nil {
		s.paused.changed = make(chan struct{})
	}
	return true, s.paused.changed
}

// awaitResume returns when the stream is not paused so far, or when ctx ends. waits is called
// if it has to wait.
func (s *Stream) awaitResume(ctx context.Context, so Pause, waits func()) {
	for ctx.Err() == nil {
		is, changed := s.isPaused(so)
		if !is {
			return
		}
		waits()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// setPaused enters the state of a reader that has no watch because it must not.
func (r *reader) setPaused() {
	r.setFresh() // it hears nothing because it does not listen
	r.setState(member.Paused, "paused")
}
