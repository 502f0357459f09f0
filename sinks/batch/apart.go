package batch

import (
	"cmp"
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
	b.apart = nil
	batch = b.batch[:0]
	if len(s.clusters) == 0 {
		s.more = 0
		return batch
	}
	b.countApartLocked(now)
	first := b.firstApartLocked(now)
	var keys, later keySet
	n, bytes, most := 0, 0, b.mostLocked() // the first one has room in any case
	if first != nil {
		_, b.apart = s.of(&first.change.Key, now)
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
			it.outcome, it.refused = refusedByItself, putOff(to.of.cluster, to.of.reason, s.wait(to, at, now))
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
	if len(s.clusters) == 0 {
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

// putOff is why a change of a cluster is not written yet.
func putOff(cluster, reason string, wait time.Duration) error {
	return pipeline.PutOff(pipeline.RetryAfter(fmt.Errorf("the sink refuses what is in one batch with some changes of cluster %q, which is written apart therefore: %s", cluster, reason), wait))
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
		default:
			refused = true
		}
		n++
	}
	b.suspects.wrote(b.apart, n, now.Sub(start), b.took, refused, b.opts.MaxBatch, now)
	return err
}

// isolated is a change that was refused when it was alone in a write, and others had been in
// one with it before.
type isolated struct {
	key    pipeline.Key
	reason error
	took   time.Duration // the write
}

// isolate notes a change that is isolated. What was in a batch with others is not suspected
// before it is known what came of the next ones, see judge.
func (b *writer) isolate(it *item, reason error) {
	f := isolated{it.change.Key, reason, b.took}
	if b.inBatch == nil {
		b.inBatch = map[string]int{}
	}
	b.inBatch[it.change.Key.Cluster]++
	if b.apart != nil {
		b.found(f, b.apart)
		return
	}
	b.inRow++
	if len(b.isolated) < mostGivenUp {
		b.isolated = append(b.isolated, f)
	}
}

// half is a write of a batch or a part of it.
type half struct {
	changes int
	took    time.Duration
	err     error
}

// tellsOfSize tells whether a write of n changes, with the sink's answer, tells what batches it
// takes. Half of a batch is smaller than what could have been written, for no reason that has
// to do with size unless nothing is found; and so is what is written apart, of which a failure
// may be its own.
func (b *writer) tellsOfSize(n int, took time.Duration, err error) bool {
	failed := err != nil && !isPartial(err) && !pipeline.IsPermanent(err)
	switch {
	case !b.isolating && n > 1 && !isPartial(err) && pipeline.IsPermanent(err):
		b.whole = half{n, took, err}
		return false // before its halves do
	case !b.isolating:
		return true
	case b.apart == nil:
		if err == nil {
			b.halves = append(b.halves, half{n, took, nil})
		}
		return failed
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return failed && n > b.window.limit.fits
}

// judgeRound ends a round, that failed with the destination if err is not nil. Where all halves were accepted the batch was too large.
func (b *writer) judgeRound(err error) {
	if b.accepts && b.inRow <= mostFound { // of more the next rounds will tell
		b.judge(false)
	}
	whole := b.whole
	if whole.changes == 0 || err != nil {
		return
	}
	if len(b.inBatch)+len(b.refused) > 0 || !b.accepts {
		b.wrote(whole.changes, whole.took, nil)
		return
	}
	b.wrote(whole.changes, whole.took, fmt.Errorf("refused for good as a whole, of which nothing is refused in halves: %s", whole.err.Error()))
	for _, h := range b.halves {
		b.wrote(h.changes, h.took, nil)
	}
}

// isolateSome notes what a partial failure says to be isolated, be it by the sink or because
// it is alone.
func (b *writer) isolateSome(items []*item, partial *pipeline.BatchError) {
	looked, some := false, len(partial.Failed) < len(items)
	if some {
		b.accepted()
	}
	for i, it := range items {
		reason, is := partial.Failed[i]
		if !is || pipeline.IsOutage(reason) {
			continue
		}
		bySink := pipeline.IsIsolated(reason)
		looked = looked || bySink
		if bySink || b.isolating && len(items) == 1 {
			b.isolate(it, cmp.Or(reason, errNoReason))
		}
	}
	if some { // in one write with what is accepted, so nothing else is to blame
		b.suspect()
		b.inRow = 0
	}
	if looked {
		b.metrics.bisected.Inc()
	}
}

// accepted notes that the sink has accepted something in this round.
func (b *writer) accepted() {
	b.judge(b.accepts)
	b.accepts, b.inRow = true, 0
}

// judge decides whether what was isolated one after the other is to blame for that. Of a
// destination that refuses everything for a while nothing is: it is taken to be one where
// mostGivenUp changes of several clusters were isolated and nothing was accepted. between tells that
// something was before in this round; then a few are suspected, for many clusters may be that
// bad.
func (b *writer) judge(between bool) {
	if b.inRow >= mostGivenUp {
		of := func(f isolated) bool { return f.key.Cluster != b.isolated[0].key.Cluster }
		several := slices.ContainsFunc(b.isolated, of)
		few := mostFound
		if several && !between {
			few = 0
		}
		b.isolated = b.isolated[:min(len(b.isolated), few)]
	}
	b.suspect()
}

// suspect has what was isolated written apart from now on.
func (b *writer) suspect() {
	for _, f := range b.isolated {
		b.found(f, nil)
	}
	b.isolated = b.isolated[:0]
}

// found has a change written apart from now on, which was isolated in a write of a line, or with
// others if that is nil.
func (b *writer) found(f isolated, of *line) {
	now := time.Now()
	b.mu.Lock()
	begins := b.suspects.found(f.key, f.reason, of, f.took, now)
	n := len(b.suspects.names(now))
	b.mu.Unlock()
	b.metrics.apart.Set(float64(n))
	if begins > 0 {
		b.opts.Log.Info("Sink refuses whole batches for changes of a cluster; all of the cluster is written apart from others for a while, and what was refused for longer",
			"sink", b.name, "cluster", f.key.Cluster, "for", begins.String(), "key", f.key.String())
	}
}

// reasonOf returns why the last change of a cluster that may be suspected yet was refused.
func (b *writer) reasonOf(cluster string) (reason string) {
	for _, f := range b.isolated {
		if f.key.Cluster == cluster {
			reason = f.reason.Error()
		}
	}
	return cmp.Or(reason, errNoReason.Error())
}

// withoutFound puts off what there is in a batch of clusters of which enough was found in it,
// and returns the rest.
func (b *writer) withoutFound(items []*item) (rest []*item) {
	enough := false
	for _, n := range b.inBatch {
		enough = enough || n >= mostFound
	}
	if !enough {
		return items
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, it := range items {
		at, to := b.suspects.of(&it.change.Key, now)
		switch cluster := it.change.Key.Cluster; {
		case b.inBatch[cluster] < mostFound || to == nil && !b.accepts:
			rest = append(rest, it)
		case to == nil:
			b.refuse(it, putOff(cluster, b.reasonOf(cluster), putOffLeast))
		default:
			b.refuse(it, putOff(cluster, to.of.reason, b.suspects.wait(to, at, now)))
		}
	}
	return rest
}
