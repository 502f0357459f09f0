package batch

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// A batch that is refused as a whole is searched by halves, in the same round, so long as
// searches have taken less than their share of the time. Else it is held: its changes are written
// apart from those that were in no such batch, and are searched there:
//
//	refused ── share left ── halves ──┬─ accepted ─▶ done
//	   │                              └─ one, refused ─▶ isolated ── judged ─▶ suspected
//	   └── none left ── held ─▶ put off ─▶ written apart, at its time ── refused ─▶ halves

// search writes the halves of what was refused as a whole, where one is poison: halves find it in
// a few writes, and the others get through.
func (b *writer) search(ctx context.Context, items []*item) error {
	b.metrics.bisected.Inc()
	b.isolating = true
	half := len(items) / 2
	if err := b.write(ctx, items[:half]); err != nil {
		return err
	}
	return b.write(ctx, items[half:])
}

// hold puts off what was refused as a whole, to be searched later. It reports whether it did: not
// in the middle of a search, nor while there is time for one. It says nothing of the batch's size.
func (b *writer) hold(items []*item, reason error) bool {
	if b.isolating {
		return false
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.suspects
	if s.maySearch(now) || !s.hold(items, reason, now) {
		return false
	}
	for _, it := range items {
		at, to := s.of(&it.change.Key, now)
		b.refuse(it, putOff(to.of, s.wait(to, at, now)))
	}
	b.whole = half{}
	return true
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
	if b.apart != nil && !b.apart.isMixed() {
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
		b.searched += took
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

// judgeRound ends a round, that failed with the destination if err is not nil. Where all halves
// were accepted the batch was too large.
func (b *writer) judgeRound(err error) {
	if b.searched > 0 && b.apart == nil { // else it is in the time of that
		b.mu.Lock()
		b.suspects.share.spend(b.searched, time.Now())
		b.mu.Unlock()
	}
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
	begins := b.suspects.found(f.key, f.reason, of, f.took, b.others && !b.suspects.maySearch(now), now)
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
		unknown := to == nil || to.isMixed() // its cluster is not suspected yet
		switch cluster := it.change.Key.Cluster; {
		case b.inBatch[cluster] < mostFound || unknown && !b.accepts:
			rest = append(rest, it)
		case unknown:
			b.refuse(it, putOff(&suspect{cluster: cluster, reason: b.reasonOf(cluster)}, putOffLeast))
		default:
			b.refuse(it, putOff(to.of, b.suspects.wait(to, at, now)))
		}
	}
	return rest
}
