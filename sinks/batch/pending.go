package batch

import (
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// request is one call of Deliver.
type request struct {
	items []item
	fresh []news        // of tell
	told  chan struct{} // holds one: there is news, or was

	// Guarded by Batcher.mu:
	left      int  // items not settled
	news      bool // something is settled that the caller does not know of
	abandoned bool // nobody waits
}

// news is what the caller of Deliver is told of an item.
type news struct {
	index        int
	change       *pipeline.Change
	refused      error
	deadLettered bool
	call         *pipeline.Call
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
	attempts int // writes that it was part of
	outcome  outcome
	refused  error          // why, if that is the outcome
	state    state          // guarded by Batcher.mu
	call     *pipeline.Call // the last of these writes, if the change is traced
}

// state is how far an item has come.
type state uint8

const (
	underway state = iota
	settled        // accepted, dead-lettered or refused
	known          // and the caller knows
)

// outcome is what became of an item in the round that is being settled.
type outcome uint8

const (
	failed outcome = iota // with the destination, unless a write says otherwise
	accepted
	deadLettered
	refusedByItself
	outcomes
)

// refused holds why a change of a key was refused; nil while there is none, which
// is nearly always.
type refused map[pipeline.Key]error

func (r *refused) add(k pipeline.Key, reason error) {
	if *r == nil {
		*r = refused{}
	}
	(*r)[k] = reason
}

// keySet is a set of keys.
type keySet map[pipeline.Key]struct{}

func (s keySet) has(k pipeline.Key) bool {
	_, ok := s[k]
	return ok
}

// next takes the next batch from what is pending. When there is none, wait is
// how long until to ask again, 0 if that takes a new delivery, or the end of
// another write.
func (b *writer) next(now time.Time) (batch []*item, wait time.Duration) {
	b.mu.Lock()
	batch, wait = b.nextLocked(now)
	b.mu.Unlock()
	b.tellSettled()
	return batch, wait
}

func (b *writer) nextLocked(now time.Time) (batch []*item, wait time.Duration) {
	if len(b.pending) == 0 {
		b.ranOutLocked()
		return nil, b.countApartLocked(now)
	}
	if wait := b.gate.Sub(now); wait > 0 {
		return nil, wait
	}
	if b.batch = b.siftLocked(now); len(b.batch) > 0 {
		if b.opts.Concurrency > 1 {
			b.beginLocked()
		}
		return b.batch, 0
	}
	if len(b.pending) == 0 { // all of it was put off
		b.restLocked()
		return nil, 0
	}
	if wait := b.lingerLocked(now); wait > 0 {
		return nil, wait
	}
	b.batch = b.batch[:0]
	n, bytes, most := 0, 0, b.mostLocked()
	fits := func(it *item) bool {
		bytes += it.change.Size()
		return len(b.batch) == 0 || len(b.batch) < most && bytes <= b.opts.MaxBytes
	}
	for ; n < len(b.pending); n++ {
		it := b.pending[n]
		if b.writing.has(it.change.Key) || !fits(it) {
			break
		}
		it.outcome = failed
		b.batch = append(b.batch, it)
	}
	b.pending = slices.Delete(b.pending, 0, n)
	if n > 0 {
		b.busy = true
		b.window.Began(n, len(b.pending))
		b.suspects.begins()
	}
	if len(b.batch) > 0 && !b.failing {
		b.began = now
		if b.opts.Linger > 0 && b.pace != nil {
			b.pace(b.paceLocked())
		}
	}
	if b.opts.Concurrency > 1 {
		b.beginLocked()
	}
	return b.batch, 0
}

// ranOutLocked notes that there is nothing to write. A writer that had nothing before, and was
// woken up for what another one has taken, does not miss anything.
func (b *writer) ranOutLocked() {
	if b.busy && b.window.RanOut() {
		b.restLocked()
	}
	b.busy = false
}

// mostLocked returns how many changes the next write may have.
func (b *Batcher) mostLocked() int {
	if b.opts.Linger > 0 { // it is requests that count
		return b.window.limit.Most(b.opts.MaxBatch)
	}
	return b.window.Most()
}

// lingerStep is how often what waits for more looks whether it should not.
const lingerStep = 100 * time.Millisecond

// lingerLocked returns for how long what is pending still waits for more, see
// Options.Linger. After a failed write it has waited: only the gate holds it back. While a
// stream waits for memory, which is held here, it waits for no more. That is looked at
// each lingerStep.
func (b *Batcher) lingerLocked(now time.Time) time.Duration {
	wait := b.began.Add(b.opts.Linger).Sub(now)
	if b.opts.Linger == 0 || b.failing || wait <= 0 || len(b.pending) >= b.window.Batch() || b.pending[0].change.Memory.Contended() {
		return 0
	}
	bytes := 0
	for _, it := range b.pending {
		if bytes += it.change.Size(); bytes >= b.enough() {
			return 0
		}
	}
	return min(wait, lingerStep)
}

// beginLocked has the other writers keep off the keys of the batch, and look for
// what else there is.
func (b *writer) beginLocked() {
	if b.writing == nil {
		b.writing = keySet{}
	}
	for _, it := range b.batch {
		b.writing[it.change.Key] = struct{}{}
	}
	if len(b.pending) > 0 && len(b.batch) > 0 {
		b.signal()
	}
}

// withdraw takes back what has not been written of r. What is in a batch stays
// there, so r is not used again.
func (b *Batcher) withdraw(r *request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.abandoned = true
	b.pending = slices.DeleteFunc(b.pending, func(it *item) bool {
		return it.request == r
	})
	b.restLocked()
}
