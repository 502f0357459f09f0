package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

var errNoReason = errors.New("the sink gave no reason")

// writer writes one batch after the other. There are as many as the sink may have
// writes under way.
type writer struct {
	*Batcher

	batch   []*item            // the one under way; kept for its memory
	changes []*pipeline.Change // likewise
	settled []*request         // likewise
	refused refused            // in this round
	reason  error              // why this round failed
	busy    bool               // it has written since it had nothing to write
	tried   bool               // its last write was of a size that may fail, see limit
	ahead   time.Time          // guarded by Batcher.mu: of the write under way, see aheadLocked

	apart     *line          // what this round is of, if that is written apart
	others    bool           // there were changes when it began that are not
	isolating bool           // what is written is half of a batch, or apart
	inBatch   map[string]int // changes that were found in this round, by cluster
	isolated  []isolated     // since the sink has accepted something, and not suspected yet
	inRow     int            // changes isolated since the sink has accepted one, also in rounds before
	whole     half           // that was refused for good in this round
	halves    []half         // of that, which were accepted
	accepts   bool           // the sink has accepted something in this round
	took      time.Duration  // the last write
	searched  time.Duration  // what was refused as a whole in this round and its halves took
}

func (b *writer) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		batch, wait := b.next(time.Now())
		if len(batch) > 0 {
			b.round(ctx, batch)
			continue
		}
		var due <-chan time.Time
		if wait > 0 {
			timer.Reset(wait)
			due = timer.C
		}
		select {
		case <-ctx.Done():
		case <-b.wake:
		case <-due:
		}
	}
}

// round writes one batch and settles what became of it.
func (b *writer) round(ctx context.Context, batch []*item) {
	clear(b.refused)
	clear(b.inBatch)
	b.isolating, b.accepts, b.searched = false, false, 0
	b.whole, b.halves = half{}, b.halves[:0]
	write := b.write
	if b.apart != nil {
		write = b.writeApart
	}
	err := write(ctx, batch)
	b.judgeRound(err)
	b.reason = err
	// A write that we broke off ourselves says nothing about the sink, and neither does one
	// that was larger than what it is known to take.
	b.settle(batch, ctx.Err() == nil && !(err != nil && b.tried))
}

// write writes the items and notes on each what became of it. It returns an
// error when the destination failed; what has to do with single changes only
// is dealt with here.
func (b *writer) write(ctx context.Context, items []*item) error {
	items = b.withoutFound(b.withoutRefused(items))
	if len(items) == 0 {
		return nil
	}
	return b.answered(ctx, items, b.call(ctx, items))
}

// answered is what follows of what the sink has said to a write of the items.
func (b *writer) answered(ctx context.Context, items []*item, err error) error {
	switch answerOf(err, len(items)) {
	case tookAll:
		b.metrics.writesOK.Inc()
		b.givenUp.Store(0)
		for _, it := range items {
			it.outcome = accepted
		}
		b.accepted()
	case namesSome:
		b.metrics.writesPartial.Inc()
		partial, _ := errors.AsType[*pipeline.BatchError](err)
		b.isolateSome(items, partial)
		return b.sort(items, partial)
	case destinationFailed:
		b.metrics.writesFailed.Inc()
		return err
	case refusedOne:
		b.metrics.writesPartial.Inc()
		if b.isolating {
			b.isolate(items[0], err)
		}
		b.giveUp(items[0], err)
	case refusedAll:
		b.metrics.writesPartial.Inc()
		if !b.hold(items, err) {
			return b.search(ctx, items)
		}
	}
	return nil
}

// call hands the items' changes to the sink.
func (b *writer) call(ctx context.Context, items []*item) error {
	b.changes = b.changes[:0]
	var traced *pipeline.Call
	for _, it := range items {
		it.attempts++
		b.changes = append(b.changes, it.change)
		if it.change.Trace != nil {
			if traced == nil {
				traced = &pipeline.Call{Changes: len(items)}
			}
			traced.Traced++
			it.call = traced
		}
	}
	start := time.Now()
	b.writes(start, len(items))
	err := b.guarded("the sink", func() error { return b.sink.Write(ctx, b.changes) })
	b.writes(time.Time{}, 0)
	took := time.Since(start)
	b.took = took
	if b.isolating {
		b.searched += took
	}
	if traced != nil {
		traced.Began, traced.Ended = start, start.Add(took)
	}
	if ctx.Err() == nil {
		b.tried = false
		if b.tellsOfSize(len(items), took, err) {
			b.tried = b.wrote(len(items), took, err)
		}
	}
	b.metrics.seconds.Observe(took.Seconds())
	b.metrics.size.Observe(float64(len(items)))
	clear(b.changes)
	return err
}

// sort tells the accepted from the refused after a partial failure. It returns why the
// destination failed in the middle of it, if it did.
func (b *writer) sort(items []*item, partial *pipeline.BatchError) (outage error) {
	if len(partial.Failed) < len(items) {
		b.givenUp.Store(0)
		b.accepted()
	}
	var left keySet // of what the outage has left over
	for i, it := range items {
		reason, is := partial.Failed[i]
		if is && reason == nil {
			reason = errNoReason
		}
		before, behind := b.refused[it.change.Key]
		switch {
		case behind:
			// Accepted or not: it follows one of its key that will be written
			// again, and must have the last word.
			b.refuse(it, before)
		case left.has(it.change.Key): // likewise
		case !is:
			it.outcome = accepted
		case pipeline.IsPermanent(reason):
			b.giveUp(it, reason)
		case pipeline.IsOutage(reason):
			if left == nil {
				left, outage = keySet{}, reason
			}
			left[it.change.Key] = struct{}{}
		default:
			b.refuse(it, reason)
		}
	}
	return outage
}

// mostGivenUp is how many changes are given up one after the other while the sink accepts
// none. A destination that refuses everything, be it for good, is not what it was thought
// to be: a proxy, another server, another table. That is no reason to lose a fleet's changes.
const mostGivenUp = 16

// giveUp deals with a change that the sink will never accept.
func (b *writer) giveUp(it *item, reason error) {
	if b.opts.DeadLetter == nil {
		b.refuse(it, reason)
		return
	}
	if n := b.givenUp.Load(); n >= mostGivenUp {
		b.refuse(it, fmt.Errorf("the destination has refused the last %d changes for good, and accepted none since: this one is tried again until it accepts something; the reason was: %w", n, reason))
		return
	}
	b.deadLetter.Lock()
	err := b.guarded("what keeps dead letters", func() error {
		return b.opts.DeadLetter(it.change, reason, int(it.change.Refusals)+it.attempts)
	})
	b.deadLetter.Unlock()
	if err != nil {
		b.refuse(it, fmt.Errorf("dead-letter %s, refused because of %w: %w", it.change.Key, reason, err))
		return
	}
	it.outcome = deadLettered
	b.givenUp.Add(1)
}

// refuse gives one change back, and with it whatever follows of its key.
func (b *writer) refuse(it *item, reason error) {
	it.outcome, it.refused = refusedByItself, reason
	b.refused.add(it.change.Key, reason)
}

// withoutRefused refuses what follows a change that an earlier part of the batch
// has refused, and returns the rest.
func (b *writer) withoutRefused(items []*item) []*item {
	if len(b.refused) == 0 {
		return items
	}
	return slices.DeleteFunc(slices.Clone(items), func(it *item) bool {
		reason, behind := b.refused[it.change.Key]
		if behind {
			b.refuse(it, reason)
		}
		return behind
	})
}

// settle tells the callers what became of their changes, puts what failed with the
// destination back in front, and takes note of the sink's health if the round tells
// of it.
func (b *writer) settle(batch []*item, telling bool) {
	var count [outcomes]int
	b.mu.Lock()
	if len(b.writing) > 0 {
		for _, it := range batch {
			delete(b.writing, it.change.Key)
		}
	}
	back := batch[:0]
	for _, it := range batch {
		if it.refused == nil || !pipeline.IsPutOff(it.refused) {
			count[it.outcome]++
		}
		switch {
		case it.outcome != failed:
			b.settleLocked(it)
		case !it.request.abandoned:
			back = append(back, it)
		}
	}
	b.pending = slices.Insert(b.pending, 0, back...)
	if len(b.refused) > 0 {
		// Also what the batch had no room for, or the destination failed with.
		b.pending = slices.DeleteFunc(b.pending, func(it *item) bool {
			reason, behind := b.refused[it.change.Key]
			if behind {
				b.refuse(it, reason)
				b.settleLocked(it)
				count[refusedByItself]++
			}
			return behind
		})
	}
	b.failing = b.reason != nil
	if !b.failing {
		b.backoff.Reset()
		b.gate = time.Time{}
	} else {
		if count[accepted]+count[deadLettered] > 0 {
			b.backoff.Reset() // it has failed after it had worked
		}
		b.gate = time.Now().Add(delay(b.reason, b.backoff.NextBackOff))
	}
	var turn turn
	if telling {
		turn = b.noteLocked(b.reason)
		if !b.isProven() {
			close(b.proven)
			b.nextCheck = time.Time{}
		}
	}
	more := len(b.pending) > 0
	b.restLocked()
	b.mu.Unlock()
	if more && b.opts.Concurrency > 1 {
		b.signal() // it may have waited for the keys of this batch
	}

	clear(batch)
	b.metrics.accepted.Add(float64(count[accepted]))
	b.metrics.deadLettered.Add(float64(count[deadLettered]))
	b.metrics.refused.Add(float64(count[refusedByItself]))
	b.metrics.failed.Add(float64(count[failed]))
	b.tellSettled() // after it is counted, so that who has waited sees it
	b.announce(turn)
}

// tellSettled has the callers look who have items that were settled.
func (b *writer) tellSettled() {
	for _, r := range b.settled {
		select {
		case r.told <- struct{}{}:
		default: // it has yet to hear of the last one, and will find this one too
		}
	}
	clear(b.settled)
	b.settled = b.settled[:0]
}

// settleLocked notes that its caller is to be told of an item.
func (b *writer) settleLocked(it *item) {
	r := it.request
	it.state = settled
	r.left--
	if !r.news {
		r.news = true
		b.settled = append(b.settled, r)
	}
}
