package batch

import (
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// request is one call of Deliver.
type request struct {
	items []item
	fresh []int         // of tell
	told  chan struct{} // holds one: there is news, or was
	eager bool          // wants to hear of each item

	// Guarded by Batcher.mu:
	left      int  // items not settled
	news      bool // something is settled that the caller does not know of
	abandoned bool // nobody waits
}

// reset makes a request ready to be used again, once all of it is settled.
func (r *request) reset() {
	clear(r.items)
	r.items = r.items[:0]
}

// item is one change of a request. While pending it is guarded by Batcher.mu,
// while in a batch it belongs to Run.
type item struct {
	change   *pipeline.Change
	request  *request
	attempts int                         // writes that it was part of
	due      time.Time                   // no write before then
	backoff  *backoff.ExponentialBackOff // nil while the sink has never refused it
	again    bool                        // has failed before
	outcome  outcome
	state    state // guarded by Batcher.mu
}

// state is how far an item has come.
type state uint8

const (
	underway state = iota
	settled        // accepted or dead-lettered
	known          // and the caller knows
)

// outcome is what became of an item in the round that is being settled.
type outcome uint8

const (
	failed outcome = iota // unless a write says otherwise
	accepted
	deadLettered
	outcomes
)

// keySet is a set of keys; nil while it is empty, which is nearly always.
type keySet map[pipeline.Key]struct{}

func (s *keySet) add(k pipeline.Key) {
	if *s == nil {
		*s = keySet{}
	}
	(*s)[k] = struct{}{}
}

func (s keySet) has(k pipeline.Key) bool {
	_, ok := s[k]
	return ok
}

// next takes the next batch from what is pending. When there is none, wait is
// how long until there may be one, 0 if that takes a new delivery.
func (b *Batcher) next(now time.Time) (batch []*item, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.pending) == 0 {
		return nil, 0
	}
	if wait := b.gate.Sub(now); wait > 0 {
		return nil, wait
	}
	var (
		behind keySet // what follows a change that the sink may refuse again
		taken  = b.batch[:0]
		rest   = b.pending[:0]
		bytes  int
		full   bool
	)
	for _, it := range b.pending {
		size := it.change.Size()
		switch {
		case full, behind.has(it.change.Key):
			rest = append(rest, it)
		case it.due.After(now):
			behind.add(it.change.Key)
			if d := it.due.Sub(now); wait == 0 || d < wait {
				wait = d
			}
			rest = append(rest, it)
		case len(taken) > 0 && (len(taken) == b.opts.MaxBatch || bytes+size > b.opts.MaxBytes):
			full = true
			rest = append(rest, it)
		default:
			bytes += size
			if it.again {
				b.retrying--
			}
			if it.backoff != nil {
				behind.add(it.change.Key)
			}
			it.outcome = failed
			taken = append(taken, it)
		}
	}
	clear(b.pending[len(rest):])
	b.pending = rest
	b.batch = taken
	return taken, wait
}

// withdraw takes back what has not been written of r. What is in a batch stays
// there, so r is not used again.
func (b *Batcher) withdraw(r *request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.abandoned = true
	b.pending = slices.DeleteFunc(b.pending, func(it *item) bool {
		if it.request != r {
			return false
		}
		if it.again {
			b.retrying--
		}
		return true
	})
}
