package app

import (
	"cmp"
	"context"
	"slices"
)

// resendingStatus is what POST /dead-letter/retry answers.
type resendingStatus struct {
	State        string         `json:"state"`        // going on, done or failed
	Records      int            `json:"records"`      // taken from the file
	Delivered    int            `json:"delivered"`    // accepted by the sink
	RefusedAgain int            `json:"refusedAgain"` // and therefore in the file again
	Superseded   int            `json:"superseded"`   // dropped: a newer state, or the same once more, has been delivered or is on its way
	Kept         int            `json:"kept"`         // not sent and still in the file
	Waiting      int            `json:"waiting"`      // on their way to their sinks
	Reasons      map[string]int `json:"reasons,omitempty"`
	Error        string         `json:"error,omitempty"`
	// Earlier are those on their way since earlier retries, none of which is counted above.
	// What is refused for their lanes meanwhile stays in the file.
	Earlier int `json:"earlier,omitempty"`
	// Lanes are those that letters are on their way to, the earlier ones included: most
	// letters first. MoreLanes are further ones.
	Lanes     []waitingLane `json:"lanes,omitempty"`
	MoreLanes int           `json:"moreLanes,omitempty"`
}

// waitingLane is a lane with letters on their way.
type waitingLane struct {
	Sink    string `json:"sink"`
	Cluster string `json:"cluster"`
	Waiting int    `json:"waiting"`
}

// mostLanesTold bounds how many lanes an answer has, and mostAsked about how many names it asks
// whether what was sent of them is accepted. If more are under way, some that are accepted may
// be told as under way by one answer, and not by a later one.
const (
	mostLanesTold = 10
	mostAsked     = 10_000
)

// The values of resendingStatus.State.
const (
	goingOn = "going on"
	isDone  = "done"
	failed  = "failed"
)

// order is one retry that was asked for. Any goroutine may use it.
type order struct {
	began chan struct{} // closed once the rest is known, which is not changed then

	err   error
	own   *resending   // nil: there was nothing to take
	under []*resending // what was under way before
}

func newOrder() *order { return &order{began: make(chan struct{})} }

// joins returns what the order waits for and counts: what it has taken, or else, as there was
// nothing to take, what was under way.
func (o *order) joins() []*resending {
	switch {
	case o.own != nil:
		return []*resending{o.own}
	case o.err != nil:
		return nil
	}
	return o.under
}

// wait returns when all has ended that the order waits for, or ctx has, or stop is closed.
func (o *order) wait(ctx context.Context, stop <-chan struct{}) {
	ended := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		case <-ctx.Done():
		case <-stop:
		}
		return false
	}
	if !ended(o.began) {
		return
	}
	for _, r := range o.joins() {
		if !ended(r.done) {
			return
		}
	}
}

// status takes no longer for more letters that are under way, see mostAsked.
func (o *order) status() resendingStatus {
	limit := mostAsked
	s := resendingStatus{State: goingOn, Reasons: map[string]int{}}
	if isOpen(o.began) {
		return s
	}
	s.State = isDone
	for _, r := range o.joins() {
		r.addTo(&s, &limit)
	}
	if o.err != nil {
		s.Error = o.err.Error()
	}
	if s.Error != "" && s.State == isDone {
		s.State = failed
	}
	if o.own != nil || o.err != nil {
		var earlier resendingStatus
		earlier.Reasons = map[string]int{}
		for _, r := range o.under {
			r.addTo(&earlier, &limit)
		}
		s.Earlier, s.Lanes = earlier.Waiting, append(s.Lanes, earlier.Lanes...)
	}
	slices.SortFunc(s.Lanes, func(a, b waitingLane) int {
		return cmp.Or(b.Waiting-a.Waiting, cmp.Compare(a.Sink, b.Sink), cmp.Compare(a.Cluster, b.Cluster))
	})
	if more := len(s.Lanes) - mostLanesTold; more > 0 {
		s.Lanes, s.MoreLanes = slices.Clone(s.Lanes[:mostLanesTold]), more
	}
	return s
}
