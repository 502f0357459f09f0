package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"sync"
	"time"

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
	// digests of the events that were sent, deferred the lines that are to be offered again.
	sent     map[letterKey][]*letter
	kept     map[int]struct{}
	offered  map[letterID]struct{}
	deferred map[int]*deferral
	sending  map[letterKey]*letter // being offered
}

// letterKey is what a sink refuses.
type letterKey struct {
	sink string
	key  pipeline.Key
	uid  string
}

// letterID is a digest of the sink and the event of a record. Of a state it is the same in every
// generation: behind a deletion it is sent in another one, and a sink that refuses it all the
// same makes one more record of it each time. Of a deletion it is that of the event: one that
// was refused again has a record of its own, while notedGhosts still knows the one before.
type letterID [sha256.Size]byte

func keyOf(r *deadletter.Record) letterKey { return letterKey{r.Sink, r.Event.Key(), r.Event.UID()} }

func letterIDOf(r *deadletter.Record) letterID {
	e, state := &r.Event, r.Event.ID
	if e.Op() != pipeline.Deleted {
		state = e.Key().String() + " " + e.UID() + " " + e.ResourceVersion
	}
	return sha256.Sum256([]byte(r.Sink + "\x00" + e.Source + " " + state))
}

// letter is a record on its way to the sinks.
type letter struct {
	line    int
	retried *ledger.Redelivery
	refused bool        // by a sink, again
	ghost   *notedGhost // unless nil, it goes before the state of another object of its name
	until   time.Time   // how long a ghost is waited for
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

var errForgotten = errors.New("its cluster left the fleet, or another object took its name, before it was accepted; try again")

func newResending() *resending {
	return &resending{
		done:   make(chan struct{}),
		counts: resendingStatus{State: goingOn, Reasons: map[string]int{}},
		sent:   map[letterKey][]*letter{},
		kept:   map[int]struct{}{},

		offered:  map[letterID]struct{}{},
		deferred: map[int]*deferral{},
		sending:  map[letterKey]*letter{},
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

// pass goes over the file until every record has been offered, or ctx ends. It returns how many
// lines have been read, and which of them have not been offered.
func (r *resending) pass(ctx context.Context, taken *deadletter.Taken, lanes *letterLanes) (read int, passedOver map[int]bool, err error) {
	defer lanes.wg.Wait()
	passedOver = map[int]bool{}
	for first := true; first || lanes.again(); first = false {
		for record, err := range taken.Records() {
			if err != nil && record.Line == 0 {
				return read, nil, err
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
				if lanes.offer(ctx, &record) {
					delete(passedOver, record.Line)
				}
				lanes.retake(&record)
			}
			read = max(read, record.Line)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return read, passedOver, nil
}

// send calls offer to send a record again, and notes what comes of it. What is in the file twice
// of one sink is sent once. offer fills in all of the letter that is not there yet.
func (r *resending) send(record *deadletter.Record, offer func(*letter) error) {
	key, id, line := keyOf(record), letterIDOf(record), record.Line
	// A sink may refuse it before offer has returned.
	l := &letter{line: line}
	r.mu.Lock()
	before := r.deferred[line]
	if before == nil {
		r.counts.Records++
	}
	if _, again := r.offered[id]; again {
		delete(r.deferred, line)
		r.counts.Superseded++
		r.mu.Unlock()
		return
	}
	r.sending[key] = l
	r.mu.Unlock()
	err := offer(l)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sending, key)
	delete(r.deferred, line)
	switch {
	case err == nil:
		r.settleLocked(key)
		r.sent[key] = append(r.sent[key], l)
		r.offered[id] = struct{}{}
		if len(r.sent)%1024 == 0 {
			r.settleAllLocked()
		}
	case errors.Is(err, stream.ErrSuperseded):
		r.counts.Superseded++
	case errors.Is(err, stream.ErrNameTaken), errors.Is(err, stream.ErrNotNow):
		r.deferLocked(line, before, laneOf(record), err)
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

// refused notes that a sink's change of an object was dead-lettered.
func (r *resending) refused(sink string, of pipeline.Key, uid string) {
	key := letterKey{sink, of, uid}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.sent[key] {
		if isOpen(l.retried.Settled()) { // else it is of the state that came behind it
			l.refused = true
		}
	}
	if l := r.sending[key]; l != nil {
		l.refused = true
	}
}

// end says how it went.
func (r *resending) end(err error) {
	r.mu.Lock()
	r.counts.State = isDone
	if err != nil {
		r.counts.State, r.counts.Error = failed, err.Error()
	}
	// The counts are asked for until the next one begins, which may be never.
	r.kept, r.offered, r.deferred = map[int]struct{}{}, map[letterID]struct{}{}, map[int]*deferral{}
	r.mu.Unlock()
	close(r.done)
}

func (r *resending) status() resendingStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settleAllLocked()
	s := r.counts
	s.Waiting = len(r.deferred)
	for _, letters := range r.sent {
		s.Waiting += len(letters)
	}
	s.Reasons = maps.Clone(r.counts.Reasons)
	return s
}
