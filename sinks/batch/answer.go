package batch

import (
	"errors"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// answer is what a sink has said to a write.
type answer uint8

const (
	tookAll answer = iota
	// namesSome: some changes are refused, or are left over by an outage, and the error names them.
	namesSome
	// destinationFailed: nothing is known of any change. That is also what an error of the changes
	// means that names none of the batch, as nothing can be made of it.
	destinationFailed
	refusedOne // for good, and it was alone
	refusedAll // as a whole, for good: at least one of several is poison, or they are too many
)

// answerOf returns what the sink has said, with err, to a write of n changes.
func answerOf(err error, n int) answer {
	partial, isPartial := errors.AsType[*pipeline.BatchError](err)
	switch {
	case err == nil:
		return tookAll
	case isPartial && names(partial, n):
		return namesSome
	case isPartial || !pipeline.IsPermanent(err):
		return destinationFailed
	case n == 1:
		return refusedOne
	default:
		return refusedAll
	}
}

// isPartial reports whether an error is about single changes of a batch.
func isPartial(err error) bool {
	_, is := errors.AsType[*pipeline.BatchError](err)
	return is
}

// outageOf returns of how many changes it is said that the destination has failed in the middle
// of the batch, and why.
func outageOf(err error) (of int, outage error) {
	partial, is := errors.AsType[*pipeline.BatchError](err)
	if !is {
		return 0, nil
	}
	for _, reason := range partial.Failed {
		if pipeline.IsOutage(reason) {
			outage, of = reason, of+1
		}
	}
	return of, outage
}

// names reports whether the error is about at least one of n changes.
func names(e *pipeline.BatchError, n int) bool {
	for i := range e.Failed {
		if 0 <= i && i < n {
			return true
		}
	}
	return false
}

// delay returns how long to wait after err.
func delay(err error, otherwise func() time.Duration) time.Duration {
	if d, ok := pipeline.RetryDelay(err); ok {
		return d
	}
	return otherwise()
}
