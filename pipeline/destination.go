package pipeline

import (
	"context"
	"errors"
	"time"
)

// Destination hands changes to one sink. Deliver blocks until each of the changes
// is accepted or refused; it fails only when ctx or the destination ends, and waits
// for as long as all of the destination fails. It is called by many workers at
// once, but never by two for the same key.
//
// It calls tell with the index of each change, once, as soon as it is known what
// becomes of that one, whatever becomes of the others; from the goroutine that
// called it, and before it returns. A nil error says that the sink has durably
// accepted the change, or that the change was put away for good: then the destination has
// set [Change.DeadLettered] before. Any other says
// that the sink refuses this change as it is, and why: it is delivered again after
// the error's [RetryDelay], or else after a while. A destination keeps nothing of
// a change that it has told of.
//
// An error that [PutOff] has marked says that the sink has not refused it by itself.
//
// Changes of one key are accepted in their order: when one is refused, the later
// ones of its key in the same call are not accepted, but refused as well.
//
// A change that it has not told of when it returns is delivered again, also if it
// returns nil.
type Destination interface {
	Deliver(ctx context.Context, tell func(i int, refused error), changes ...*Change) error
}

// Pace is how much a destination wants to have under way.
type Pace struct {
	// Batch is how many changes it wants in the next delivery, at least 1.
	Batch int
	// Bytes is the sum of their sizes at which a delivery is as large as it gets,
	// whatever the last change brings. Zero is no bound.
	Bytes int
	// Deliveries is how many are to be under way at once, at least 1.
	Deliveries int
	// Until is when a delivery ends to wait for more that is smaller than Batch and Bytes:
	// for a destination that charges for each request. Zero, or a time that is over: it
	// takes what is ready. One delivery waits at a time, and none while a stream waits for
	// memory.
	Until time.Time
	// After is when the next delivery is to take its changes at the earliest: shortly
	// before the destination can begin with them. What comes until then, of whichever
	// cluster, need not wait behind a delivery that waits itself. Zero, or a time that is
	// over: at once.
	After time.Time
	// UnderWay is how many changes may be in work at all, those included that wait
	// for the ledger. Zero is no bound. One cluster has at most three quarters of
	// it, so that another one finds room.
	UnderWay int
}

// Paced is a [Destination] that says how much it wants to have under way. Any other
// one is given one change by each worker.
type Paced interface {
	Destination
	// Pace calls set with what is wanted, before it returns and whenever that
	// changes. set does not block; it is called by one goroutine at a time.
	Pace(set func(Pace))
}

// PutOff marks the error with which a [Destination] gives a change back that the sink has not
// refused: it was not handed to the sink, or only with others, and its time has yet to come.
// It is delivered again after the error's [RetryDelay], or else after a while, and counts as
// no refusal. PutOff(nil) is nil.
func PutOff(err error) error {
	if err == nil {
		return nil
	}
	return &putOffError{err}
}

// IsPutOff reports whether err is or wraps what [PutOff] has marked.
func IsPutOff(err error) bool {
	_, ok := errors.AsType[*putOffError](err)
	return ok
}

type putOffError struct{ err error }

func (e *putOffError) Error() string { return e.err.Error() }
func (e *putOffError) Unwrap() error { return e.err }
