package httpsink

import (
	"cmp"
	"errors"
	"math"
	"sync"

	"github.com/fairlead-dev/fairlead/pipeline"
)

const (
	// suspicion is which write in a row that fails as a whole looks for single changes
	// that the server fails on: each fourth.
	suspicion = 4
	// mostSearch bounds how many failures in a row such a write bears.
	mostSearch = 16
)

// errNotTried is of a change for which no request was made.
var errNotTried = errors.New("not tried, because an earlier request failed")

// inCompany stands in round.seen for a change that has failed with others only.
const inCompany = math.MaxInt

// round is a batch on its way. What the server has settled of it, which is accepted or
// refused for good, shows whether the server or a change is to blame for a failure.
type round struct {
	batch []*pipeline.Change
	bears int // how many failures in a row it bears that may be due to a single change

	mu      sync.Mutex
	errs    []error // what became of each change; errNotTried at first
	seen    []int   // of each that failed by itself: settled at that time
	settled int     // how often the server has settled something
	failed  int     // how many requests in a row have failed
	stopped bool    // no other request is made
	halved  bool    // a request of several was made again in halves
	blocked map[pipeline.Key]error
}

// begin returns a round for a batch. Only each fourth that fails as a whole goes on after
// a failure that is not plainly due to a change: a server that is down gets few requests.
func (s *Sink) begin(batch []*pipeline.Change) *round {
	r := &round{batch: batch, errs: make([]error, len(batch)), seen: make([]int, len(batch))}
	for i := range r.errs {
		r.errs[i], r.seen[i] = errNotTried, inCompany
	}
	if n := s.stuck.next(batch[0].Key); n%suspicion == 0 {
		r.bears = min(n, mostSearch)
	}
	return r
}

// held returns why a change may not be sent, nil if it may: one of its object has failed
// before.
func (r *round) held(i int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.blocked[r.batch[i].Key]
}

// halves returns the two parts in which a request that was refused is made again.
func (r *round) halves(places []int) [][]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.halved = true
	return halves(r.batch, places)
}

// over reports whether no other request is made.
func (r *round) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopped
}

// answered notes what the server has said of each change of a request, by its place in
// at; what is not refused was accepted.
func (r *round) answered(at []int, refused map[int]error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, some := r.settled, false
	for j, i := range at {
		err := refused[j]
		r.errs[i] = err
		if err == nil || pipeline.IsPermanent(err) {
			some = true
			continue
		}
		r.seen[i] = before
		r.blockLocked(i, err)
	}
	if some {
		r.settled++
		r.failed = 0
	} else if r.failed++; r.failed > r.bears {
		r.stopped = true
	}
}

// refuse notes that a change cannot be sent.
func (r *round) refuse(i int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs[i] = err
	if !pipeline.IsPermanent(err) {
		r.blockLocked(i, err)
	}
}

// fail notes that a request with these changes has failed; it stops the round if that is
// more in a row than it bears.
func (r *round) fail(at []int, err error, bears int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range at {
		r.errs[i] = err
		if len(at) == 1 {
			r.seen[i] = r.settled
			r.blockLocked(i, err)
		}
	}
	if r.failed++; r.failed > bears {
		r.stopped = true
	}
}

// blockLocked keeps later changes of an object back.
func (r *round) blockLocked(i int, err error) {
	if r.blocked == nil {
		r.blocked = map[pipeline.Key]error{}
	}
	r.blocked[r.batch[i].Key] = err
}

// result is what Write returns. A change is refused by itself if the server has failed on
// it alone and settled another one since. Everything else that was not settled is due to
// the destination.
func (s *Sink) result(r *round) error {
	failed := map[int]error{}
	var left []int   // what is not settled
	var reason error // why not
	plain := true    // each failure seems to be due to a change
	single := true   // each may be, and was of one change, or of one before it
	for i, err := range r.errs {
		if err == nil {
			continue
		}
		failed[i] = err
		if isLocal(err) || pipeline.IsPermanent(err) {
			continue
		}
		left = append(left, i)
		if reason == nil || errors.Is(reason, errNotTried) {
			reason = err
		}
		tried := !errors.Is(err, errNotTried)
		plain = plain && (!tried || aboutOf(err) == ofChange)
		single = single && (!tried || aboutOf(err) != ofDestination) && (r.seen[i] != inCompany || r.blocked[r.batch[i].Key] != nil)
	}
	spared := 0 // how many of those left are refused by themselves on suspicion
	switch {
	case r.settled > 0:
		s.stuck.passed(r.batch[0].Key)
		s.trusted.Store(true)
		s.worked.Store(true)
	case len(left) > 0:
		n := s.stuck.failed(r.batch[0].Key)
		if trusted := s.trusted.Swap(false); single && (plain && trusted || s.worked.Swap(false)) {
			spared = len(left) // it has worked before: that is said once
		} else if plain && n%suspicion == 0 && (single || n >= mostSearch) {
			spared = len(left) - 1 // so that others get their turn, while the sink still fails
		}
	}
	outages := 0
	for j, i := range left {
		if j < spared && !errors.Is(failed[i], errNotTried) || r.seen[i] < r.settled {
			continue
		}
		if errors.Is(failed[i], errNotTried) {
			failed[i] = cmp.Or(r.blocked[r.batch[i].Key], reason)
		}
		failed[i] = pipeline.Outage(failed[i])
		outages++
	}
	for i, err := range failed {
		if r.halved && !isLocal(err) && !pipeline.IsOutage(err) {
			failed[i] = pipeline.Isolated(err)
		}
	}
	switch {
	case len(failed) == 0:
		return nil
	case outages == len(r.batch):
		return reason
	}
	return &pipeline.BatchError{Failed: failed}
}
