package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// resending is one go at sending dead letters again.
type resending struct {
	done chan struct{} // closed at its end

	mu     sync.Mutex
	counts resendingStatus
	// sent has what is under way, kept the lines that stay in the file, offered
	// digests of the events that were sent.
	sent    map[letterKey]*letter
	kept    map[int]struct{}
	offered map[[sha256.Size]byte]struct{}
	sending map[letterKey]*letter // being offered
}

// letterKey is what one letter at a time is of.
type letterKey struct {
	sink string
	key  pipeline.Key
}

// letter is a record on its way to the sinks.
type letter struct {
	line    int
	retried *ledger.Redelivery
	refused bool // by a sink, again
}

// resendingStatus is what POST /dead-letter/retry answers.
type resendingStatus struct {
	State        string         `json:"state"`        // going on, done or failed
	Records      int            `json:"records"`      // read from the file
	Delivered    int            `json:"delivered"`    // accepted by the sink
	RefusedAgain int            `json:"refusedAgain"` // and therefore in the file again
	Superseded   int            `json:"superseded"`   // dropped: a newer state, or the same once more, has been delivered or is on its way
	Kept         int            `json:"kept"`         // not sent and still in the file
	Waiting      int            `json:"waiting"`      // on their way to their sinks
	Reasons      map[string]int `json:"reasons,omitempty"`
	Error        string         `json:"error,omitempty"`
}

// The values of resendingStatus.State.
const (
	goingOn = "going on"
	isDone  = "done"
	failed  = "failed"
)

// maxReasons bounds how many different reasons are told apart.
const maxReasons = 20

var errForgotten = errors.New("its cluster left the fleet before it was accepted")

func newResending() *resending {
	return &resending{
		done:   make(chan struct{}),
		counts: resendingStatus{State: goingOn, Reasons: map[string]int{}},
		sent:   map[letterKey]*letter{},
		kept:   map[int]struct{}{},

		offered: map[[sha256.Size]byte]struct{}{},
		sending: map[letterKey]*letter{},
	}
}

func (r *resending) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// pass goes over the file until every record has been offered, or ctx ends. It
// returns how many lines have been: what is behind them is kept, whatever it is.
func (r *resending) pass(ctx context.Context, taken *deadletter.Taken, lanes *letterLanes) (read int, err error) {
	passedOver := map[int]bool{}
	for first := true; first || lanes.again(); first = false {
		for record, err := range taken.Records() {
			if err != nil && record.Line == 0 {
				return read, err
			}
			if ctx.Err() != nil {
				break
			}
			switch {
			case first && err != nil:
				r.keep(record.Line, err)
			case first:
				if !lanes.offer(ctx, &record) {
					passedOver[record.Line] = true
				}
			case passedOver[record.Line]:
				lanes.retake(&record)
				if lanes.offer(ctx, &record) {
					delete(passedOver, record.Line)
				}
			}
			read = max(read, record.Line)
		}
		if ctx.Err() != nil {
			break
		}
	}
	for line := range passedOver {
		r.keep(line, context.Cause(ctx))
	}
	return read, nil
}

// send calls offer to send a record again, and notes what comes of it. What is in
// the file twice of one sink is sent once.
func (r *resending) send(record *deadletter.Record, offer func() (*ledger.Redelivery, error)) {
	e, line := &record.Event, record.Line
	key, id := letterKey{record.Sink, e.Key()}, sha256.Sum256([]byte(record.Sink+"\x00"+e.Source+" "+e.ID))
	// A sink may refuse it before offer has returned.
	l := &letter{line: line}
	r.mu.Lock()
	if _, again := r.offered[id]; again {
		r.counts.Records++
		r.counts.Superseded++
		r.mu.Unlock()
		return
	}
	r.sending[key] = l
	r.mu.Unlock()
	retried, err := offer()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sending, key)
	r.counts.Records++
	switch {
	case err == nil:
		// Of a key one is pending at a time: an earlier one has settled.
		r.settleLocked(key)
		l.retried = retried
		r.sent[key] = l
		r.offered[id] = struct{}{}
		if len(r.sent)%1024 == 0 {
			r.settleAllLocked()
		}
	case errors.Is(err, stream.ErrSuperseded):
		r.counts.Superseded++
	default:
		r.keepLocked(line, err)
	}
}

// keep notes that a line stays in the file.
func (r *resending) keep(line int, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Records++
	r.keepLocked(line, why)
}

func (r *resending) keepLocked(line int, why error) {
	r.counts.Kept++
	r.kept[line] = struct{}{}
	reason := why.Error()
	if _, known := r.counts.Reasons[reason]; !known && len(r.counts.Reasons) >= maxReasons {
		reason = "other reasons"
	}
	r.counts.Reasons[reason]++
}

// keeps reports whether a line stays in the file, once all is settled and until
// the end.
func (r *resending) keeps(line int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, kept := r.kept[line]
	return kept
}

// refused notes that a sink's change of key was dead-lettered.
func (r *resending) refused(sink string, of pipeline.Key) {
	key := letterKey{sink, of}
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.sent[key]; l != nil {
		l.refused = true
	}
	if l := r.sending[key]; l != nil {
		l.refused = true
	}
}

// settleLocked counts the letter of key, if it is known what became of it.
func (r *resending) settleLocked(key letterKey) {
	l := r.sent[key]
	if l == nil {
		return
	}
	select {
	case <-l.retried.Settled():
	default:
		return
	}
	delete(r.sent, key)
	switch {
	case !l.retried.Acked():
		r.keepLocked(l.line, errForgotten)
	case l.refused:
		r.counts.RefusedAgain++
	default:
		r.counts.Delivered++
	}
}

func (r *resending) settleAllLocked() {
	for key := range r.sent {
		r.settleLocked(key)
	}
}

// wait returns when all that was sent is settled, or when ctx ends: what is
// not settled then is kept.
func (r *resending) wait(ctx context.Context) {
	for l := r.next(); l != nil; l = r.next() {
		select {
		case <-l.retried.Settled():
			continue
		case <-ctx.Done():
		}
		r.mu.Lock()
		r.settleAllLocked()
		for _, l := range r.sent {
			r.keepLocked(l.line, context.Cause(ctx))
		}
		clear(r.sent)
		r.mu.Unlock()
	}
}

// next returns a letter that is not settled, nil if all are.
func (r *resending) next() *letter {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, l := range r.sent {
		if r.settleLocked(key); r.sent[key] != nil {
			return l
		}
	}
	return nil
}

// end says how it went.
func (r *resending) end(err error) {
	r.mu.Lock()
	r.counts.State = isDone
	if err != nil {
		r.counts.State, r.counts.Error = failed, err.Error()
	}
	// The counts are asked for until the next one begins, which may be never.
	r.kept, r.offered = map[int]struct{}{}, map[[sha256.Size]byte]struct{}{}
	r.mu.Unlock()
	close(r.done)
}

func (r *resending) status() resendingStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settleAllLocked()
	s := r.counts
	s.Waiting = len(r.sent)
	s.Reasons = make(map[string]int, len(r.counts.Reasons))
	for reason, n := range r.counts.Reasons {
		s.Reasons[reason] = n
	}
	return s
}
