package app

import (
	"sync"

	"github.com/fairlead-dev/fairlead/sinks/deadletter"
)

// resending is what one retry has taken out of the file, on its way to the sinks. Others may go
// on beside it, with other lanes.
type resending struct {
	done   chan struct{} // closed at its end
	taken  *deadletter.Taken
	lanes  map[deadletter.Lane]*letterLane
	to     resender
	ghosts *notedGhosts
	room   *room

	mu      sync.Mutex // after that of a lane
	left    int        // lines that are in the file again: no records, or not to be sent now
	reasons map[string]int
	err     error // the first one
}

// maxReasons bounds how many different reasons are told apart.
const maxReasons = 20

// newResending returns one with a lane for each of what is taken; nothing runs yet.
func newResending(taken *deadletter.Taken, to resender, ghosts *notedGhosts, room *room) *resending {
	r := &resending{
		done: make(chan struct{}), taken: taken, lanes: map[deadletter.Lane]*letterLane{},
		to: to, ghosts: ghosts, room: room, reasons: map[string]int{},
	}
	for of, all := range taken.Lanes() {
		r.lanes[of] = newLetterLane(r, of, all)
	}
	bad, told := taken.Bad()
	r.left = bad
	for _, why := range told {
		r.reason(why)
	}
	if more := bad - len(told); more > 0 {
		r.reasons[otherReasons] += more
	}
	for why, n := range taken.Full() {
		r.left += n
		r.reasons[why] = n
	}
	return r
}

const otherReasons = "other reasons"

// reason counts why a record is kept.
func (r *resending) reason(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	reason := why.Error()
	if _, known := r.reasons[reason]; !known && len(r.reasons) >= maxReasons {
		reason = otherReasons
	}
	r.reasons[reason]++
}

// fail notes an error, and reports whether it is the first one.
func (r *resending) fail(err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil || err == nil {
		return false
	}
	r.err = err
	return true
}

// forgive says that what could not be put back is back in the file by now.
func (r *resending) forgive() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = nil
}

// addTo adds what became of its letters so far, and which lanes it waits for. See look for limit.
func (r *resending) addTo(s *resendingStatus, limit *int) {
	if isOpen(r.done) {
		s.State = goingOn // asked before the lanes: what ends now is told next time
	}
	for of, l := range r.lanes {
		n, c := l.look(limit)
		s.Records += n
		s.Delivered += c.delivered
		s.RefusedAgain += c.refusedAgain
		s.Superseded += c.superseded
		s.Kept += c.kept
		if waiting := n - c.delivered - c.refusedAgain - c.superseded - c.kept; waiting > 0 {
			s.Waiting += waiting
			s.Lanes = append(s.Lanes, waitingLane{of.Sink, of.Cluster, waiting})
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Records += r.left
	s.Kept += r.left
	for reason, n := range r.reasons {
		if _, known := s.Reasons[reason]; !known && len(s.Reasons) > maxReasons {
			reason = otherReasons
		}
		s.Reasons[reason] += n
	}
	if r.err != nil && s.Error == "" {
		s.Error = r.err.Error()
	}
}
