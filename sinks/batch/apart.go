package batch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// siftLocked takes what is not to be written with others out of what is pending. It returns
// what of that is written now, and puts the rest off.
func (b *writer) siftLocked(now time.Time) (batch []*item) {
	s := &b.suspects
	b.apart, b.others = nil, true
	batch = b.batch[:0]
	if s.isEmpty() {
		s.more = 0
		return batch
	}
	b.countApartLocked(now)
	first := b.firstApartLocked(now)
	var keys, later keySet
	n, bytes, most := 0, 0, b.mostLocked() // the first one has room in any case
	if first != nil {
		_, b.apart = s.of(&first.change.Key, now)
		b.others = s.hasOthers(now)
		keys, later = keySet{first.change.Key: {}}, keySet{}
		n, bytes = 1, first.change.Size()
	}
	with := func(it *item, at time.Time) bool {
		key := it.change.Key
		if it == first {
			return true
		}
		isNew := !keys.has(key) // else it goes with the one before it
		if later.has(key) || isNew && (at.After(now) || len(keys) >= b.apart.size || n >= most || bytes+it.change.Size() > b.opts.MaxBytes) {
			later[key] = struct{}{} // the changes of a key keep their order
			return false
		}
		keys[key] = struct{}{}
		n++
		bytes += it.change.Size()
		return true
	}
	off := 0
	left := b.pending[:0]
	for _, it := range b.pending {
		at, to := s.of(&it.change.Key, now)
		switch {
		case to == nil || b.writing.has(it.change.Key):
			left = append(left, it)
		case b.apart == to && with(it, at):
			off++
			it.outcome = failed
			batch = append(batch, it)
		default:
			off++
			it.outcome, it.refused = refusedByItself, putOff(to.of, s.wait(to, at, now))
			b.settleLocked(it)
		}
	}
	clear(b.pending[len(left):])
	b.pending = left
	if len(left) > 0 {
		s.off = min(s.off+off, b.opts.MaxBatch)
	} else {
		s.off = 0 // it was not among others
	}
	if len(batch) > 0 {
		s.gate = now.Add(max(s.took*apartShare, putOffLeast)) // no other writer, until it is known
	}
	return batch
}

// countApartLocked has the metric tell of what is apart, once a minute. It returns how long
// until it is to be asked again, 0 if nothing is known.
func (b *writer) countApartLocked(now time.Time) (wait time.Duration) {
	s := &b.suspects
	if s.isEmpty() {
		return 0
	}
	if now.Sub(s.swept) >= time.Minute {
		s.sweep(now)
		b.metrics.apart.Set(float64(len(s.names(now))))
	}
	return max(s.swept.Add(time.Minute).Sub(now), time.Second)
}

// firstApartLocked returns what is written next of what is written apart: of the line that
// has its turn for longest the object that waits for longest. It is nil if there is none, or
// nothing may be written apart now.
func (b *writer) firstApartLocked(now time.Time) (first *item) {
	s := &b.suspects
	var turn, due time.Time
	for _, it := range b.pending {
		at, to := s.of(&it.change.Key, now)
		if to == nil {
			s.others = now
			continue
		}
		since, is := s.isTurn(to, now)
		if !is || at.After(now) || b.writing.has(it.change.Key) {
			continue
		}
		if at.IsZero() {
			at = it.change.Observed
		}
		if before := since.Compare(turn); first == nil || before < 0 || before == 0 && at.Before(due) {
			first, turn, due = it, since, at
		}
	}
	if !s.isOpen(now) {
		return nil
	}
	if first != nil { // of its key the one that was given first
		i := slices.IndexFunc(b.pending, func(it *item) bool { return it.change.Key == first.change.Key })
		first = b.pending[i]
	}
	return first
}

// putOff is why a change is not written yet.
func putOff(of *suspect, wait time.Duration) error {
	why := fmt.Errorf("the sink refuses the batch that this was in, which is searched for the change that it refuses: %s", of.reason)
	if of.cluster != "" {
		why = fmt.Errorf("the sink refuses what is in one batch with some changes of cluster %q, which is written apart therefore: %s", of.cluster, of.reason)
	}
	return pipeline.PutOff(pipeline.RetryAfter(why, wait))
}

// writeApart is write for what must not take the changes of others with it.
func (b *writer) writeApart(ctx context.Context, items []*item) error {
	b.isolating = true
	start := time.Now()
	err := b.write(ctx, items)
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	n, refused := 0, false
	for _, it := range items {
		switch {
		case it.outcome == failed, pipeline.IsPutOff(it.refused):
			continue
		case it.outcome == accepted:
			b.suspects.accepted(it.change.Key)
		case it.outcome == deadLettered:
			delete(b.suspects.held.keys, it.change.Key)
			fallthrough
		default:
			refused = true
		}
		n++
	}
	b.suspects.wrote(b.apart, n, now.Sub(start), b.took, refused, b.opts.MaxBatch, now)
	return err
}
