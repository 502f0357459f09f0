package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Sink is one destination of changes.
type Sink interface {
	// Write returns nil when the destination has durably accepted every change
	// of the batch, in the order given as far as changes of one key go.
	//
	// A [*BatchError] names the changes that were not accepted; all others
	// were. When a change of a key is not accepted, later ones of that key in
	// the batch should not be either; they are written again in any case.
	// One whose reason is an [Outage] was not refused: it is written again later, with
	// all that is behind it. Any other error is about the destination: nothing of the batch counts as
	// accepted and all of it is written again later. Changes may therefore
	// arrive more than once, with the same event id.
	//
	// [Permanent] and [RetryAfter] say more about an error. A permanent error
	// for a whole batch says that some change in it can never be accepted; the
	// batch is then split until that change stands alone. A sink that does so itself marks the
	// reason with [Isolated].
	//
	// A panic of Write is taken for such an error, too: it must leave no lock held. A panic of
	// another goroutine ends the process.
	//
	// Write is called by one goroutine at a time, or by as many as its kind says
	// that writes may be under way, and then never with the same key by two. It keeps neither the batch
	// nor anything a change refers to after it has returned. When ctx ends it
	// returns soon, with any error unless the batch was accepted.
	Write(ctx context.Context, batch []*Change) error
}

// BatchError is a write's partial failure.
type BatchError struct {
	// Failed holds the reason for each change that was not accepted, by its
	// index in the batch. An error that names no change of the batch counts as
	// one for the whole batch.
	Failed map[int]error
}

// Error names how many changes failed and the first of the reasons.
func (e *BatchError) Error() string {
	at := slices.Sorted(maps.Keys(e.Failed))
	if len(at) == 0 {
		return "the batch failed for no reason given"
	}
	return fmt.Sprintf("%d changes of the batch failed, the first at %d: %v", len(at), at[0], e.Failed[at[0]])
}

// Unwrap returns the reasons in the order of the batch.
func (e *BatchError) Unwrap() []error {
	reasons := make([]error, 0, len(e.Failed))
	for _, i := range slices.Sorted(maps.Keys(e.Failed)) {
		reasons = append(reasons, e.Failed[i])
	}
	return reasons
}

// Permanent marks err as one that trying again cannot mend: this change, as
// it is, will never be accepted. It is said of a change, never of a
// destination. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent reports whether err is or wraps a permanent error. Of a
// [*BatchError] ask for each of the reasons instead.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[*permanentError](err)
	return ok
}

// Outage marks the reason of a change in a [*BatchError] as one about the destination,
// which has failed in the middle of the batch: the change was not refused, and maybe not
// tried. It is written again as after an error that is about the destination, and counts
// as no refusal. Outage(nil) is nil.
func Outage(err error) error {
	if err == nil {
		return nil
	}
	return &outageError{err}
}

// IsOutage reports whether err is or wraps what [Outage] has marked.
func IsOutage(err error) bool {
	_, ok := errors.AsType[*outageError](err)
	return ok
}

// Isolated marks the reason of a change in a [*BatchError] as one that the sink had to look for:
// the change was in one request with others, which had to be made again without it. Whoever
// writes batches keeps later states of its object apart from others therefore, as after
// a permanent error of a whole batch. Isolated(nil) is nil.
func Isolated(err error) error {
	if err == nil {
		return nil
	}
	return &isolatedError{err}
}

// IsIsolated reports whether err is or wraps what [Isolated] has marked.
func IsIsolated(err error) bool {
	_, ok := errors.AsType[*isolatedError](err)
	return ok
}

// ErrOldTerm is wrapped by the error of Write of a destination that refuses a batch
// because it has accepted one of a later term (Origin.Term): another process delivers.
// It is about the whole batch, and for good: with leader election the program stops
// delivering and ends its term, and keeps nothing of it as dead letters; without, it is
// an error like any other. What the destination compares, and when
// it stores the term, is the destination's business; both have to be one step.
var ErrOldTerm = errors.New("the destination has accepted changes of a later term")

// RetryAfter marks err as one that the destination wants tried again no
// sooner than d from now. A d of zero or less leaves the delay to the caller.
// RetryAfter(nil, d) is nil.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &retryAfterError{err, d}
}

// RetryDelay returns the delay that err or what it wraps was marked with, and
// whether there is one.
func RetryDelay(err error) (time.Duration, bool) {
	e, ok := errors.AsType[*retryAfterError](err)
	if !ok || e.delay <= 0 {
		return 0, false
	}
	return e.delay, true
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

type retryAfterError struct {
	err   error
	delay time.Duration
}

func (e *retryAfterError) Error() string { return e.err.Error() }
func (e *retryAfterError) Unwrap() error { return e.err }

type outageError struct{ err error }

func (e *outageError) Error() string { return e.err.Error() }
func (e *outageError) Unwrap() error { return e.err }

type isolatedError struct{ err error }

func (e *isolatedError) Error() string { return e.err.Error() }
func (e *isolatedError) Unwrap() error { return e.err }
