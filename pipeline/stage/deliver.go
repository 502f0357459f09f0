package stage

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// load is what of a bundle goes to the destination together.
type load struct {
	changes []*pipeline.Change
	parts   []*bundled // that each is of: a ghost's deletion is of the change it precedes
	began   time.Time  // when they were taken from the queue; zero if nobody observes
	last    *series    // of the change of it that was accepted last
}

// reconcile hands the changes of b to the destination, and settles each once it is
// told of it. What the ledger has yet to note delays none of the others.
func (s *Stage) reconcile(ctx context.Context, b *bundle) (reconcile.Result, error) {
	ready, unstored := s.begin(b)
	if s.observe != nil {
		ready.began = time.Now()
		unstored.began = ready.began
	}
	if s.trace != nil {
		for _, l := range []load{ready, unstored} {
			for _, c := range l.changes {
				c.Trace = s.trace(c)
			}
		}
	}
	now := func() error {
		defer s.queue.leave(b)
		return s.deliver(ctx, ready)
	}
	later := func() error {
		stored, err := s.await(ctx, unstored)
		if err != nil || len(stored.changes) == 0 {
			return err
		}
		return s.deliver(ctx, stored)
	}
	if len(ready.changes) == 0 {
		s.queue.leave(b) // what waits for the ledger keeps the sink from nobody
	}
	switch {
	case len(ready.changes)+len(unstored.changes) == 0:
		return reconcile.Result{}, nil
	case len(unstored.changes) == 0:
		return reconcile.Result{}, now()
	case len(ready.changes) == 0:
		return reconcile.Result{}, later()
	}
	return reconcile.Result{}, together(2, func(i int) error {
		if i == 0 {
			return now()
		}
		return later()
	})
}

// together calls f with 0 to n-1 at the same time, and returns the first error.
// A panic becomes the caller's once all have returned, and not earlier: what is
// still under way must not be brought back.
func together(n int, f func(i int) error) error {
	var wg sync.WaitGroup
	errs, panics := make([]error, n), make([]string, n)
	for i := range n {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panics[i] = fmt.Sprintf("%v\n\n%s", p, debug.Stack())
				}
			}()
			errs[i] = f(i)
		})
	}
	wg.Wait()
	for _, p := range panics {
		if p != "" {
			panic(p)
		}
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// begin returns the changes of a bundle that are to be delivered: those that may be
// handed over at once, and those that must wait for the ledger's store. The deletions of
// the UIDs whose place a change takes precede it; many go without it.
func (s *Stage) begin(b *bundle) (ready, unstored load) {
	ready.last, unstored.last = &b.last[0], &b.last[1]
	for i := range b.parts {
		p := &b.parts[i]
		c := p.change
		to := &ready
		if t := c.Origin.Tracker; t != nil {
			ghosts, safe, superseded := t.Begin(c)
			if superseded {
				s.metrics.superseded.WithLabelValues(c.Key.Cluster).Inc()
				s.settle(p)
				continue
			}
			if c.Moved {
				s.refusals.Forget(c.Key) // nothing of it waits any more
				c.Release()
				s.queue.finish(p)
				continue
			}
			goAlone := c.GhostsFirst && len(ghosts) > 0
			if c.Evicted > 0 && !goAlone {
				s.reread(p)
				continue
			}
			c.Rests = false
			if p.safe = safe; safe != nil {
				to = &unstored
			}
			for _, uid := range ghosts {
				to.add(p, ghost(c, uid))
			}
			if goAlone {
				p.alone = len(ghosts)
				continue
			}
		}
		to.add(p, c)
	}
	return ready, unstored
}

// ghost returns the deletion of another UID whose name c takes.
func ghost(c *pipeline.Change, uid types.UID) *pipeline.Change {
	return &pipeline.Change{
		Key:             c.Key,
		Origin:          c.Origin,
		Op:              pipeline.Deleted,
		UID:             uid,
		ResourceVersion: c.ResourceVersion,
		Snapshot:        c.Snapshot,
		Tombstone:       true,
		Ghost:           true,
		Generation:      c.Generation,
		Refusals:        c.Refusals,
		Observed:        c.Observed,
		Sequence:        c.Sequence - 1,
	}
}

func (l *load) add(p *bundled, c *pipeline.Change) {
	l.parts, l.changes = append(l.parts, p), append(l.changes, c)
}

// An intent is stored within milliseconds. If the store refuses those of a cluster, or has
// not stored one after storePatience, the change goes back to its lane, which rests for
// storeAgain: else the clusters of which the store takes nothing would have all that may
// be in work, and all workers.
const (
	storePatience = 5 * time.Second
	storeAgain    = time.Second
)

// await waits until each change of l may be handed over, or will not be soon. It returns
// those that may, and brings the others back, or fails when ctx ends.
func (s *Stage) await(ctx context.Context, l load) (stored load, err error) {
	stored.began, stored.last = l.began, l.last
	waiting, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	for i, p := range l.parts {
		switch {
		case p.done: // it is back already, and a deletion of a ghost before it
		case p.stored(waiting):
			stored.add(p, l.changes[i])
		case ctx.Err() != nil: // the worker's caller brings all of them back
			s.fail(l, "ledger")
			return load{}, fmt.Errorf("wait until the ledger has stored %s, before its delivery: %w", l.what(), context.Cause(ctx))
		default:
			cluster := p.change.Key.Cluster
			s.metrics.failed.WithLabelValues(cluster, "ledger").Inc()
			s.queue.Rest(cluster, storeAgain)
			s.queue.requeue(p, storeAgain)
		}
	}
	return stored, nil
}

// stored waits until a change may be handed over, and reports whether it may: not if the
// store refuses what it needs, or ctx ends before.
func (p *bundled) stored(ctx context.Context) bool {
	var refused <-chan struct{}
	if t, ok := p.change.Origin.Tracker.(pipeline.StoreTracker); ok {
		refused = t.StoreRefuses()
	}
	select {
	case <-p.safe:
		return true
	case <-refused:
	case <-ctx.Done():
	}
	select {
	case <-p.safe: // as well
		return true
	default:
		return false
	}
}

// deliver hands l to the destination.
func (s *Stage) deliver(ctx context.Context, l load) error {
	err := s.destination.Deliver(ctx, func(i int, refused error) { s.answered(l, i, refused) }, l.changes...)
	if err == nil && !l.isDone() {
		err = errUntold
	}
	if err != nil {
		s.fail(l, "interrupted")
		return fmt.Errorf("deliver %s: %w", l.what(), err)
	}
	return nil
}

// errUntold says that a destination breaks its contract. To believe that it has
// everything would lose the changes that it does not have.
var errUntold = errors.New("the destination returned without telling of each change")

// isDone tells whether all of l was told of. Ask once the destination has returned.
func (l load) isDone() bool {
	return !slices.ContainsFunc(l.parts, func(p *bundled) bool { return !p.done })
}

// what names what is in l, for an error.
func (l load) what() string {
	if n := len(l.changes) - 1; n > 0 {
		return fmt.Sprintf("%s and %d more", l.changes[0].Key, n)
	}
	return l.changes[0].Key.String()
}

// answered settles the i-th change of l, which is its part's or the deletion of a ghost
// before that. When one of them is refused all that follow come back with it: a sink must
// not have the change and keep the ghost.
func (s *Stage) answered(l load, i int, refused error) {
	p, c := l.parts[i], l.changes[i]
	if p.done {
		return // it was told before, and c may be somebody else's by now
	}
	if p.refused == nil {
		p.refused = refused
	}
	if s.observe != nil && !pipeline.IsPutOff(p.refused) {
		s.observe(Delivery{Change: c, Began: l.began, Refused: p.refused, DeadLettered: p.refused == nil && c.DeadLettered})
	}
	switch {
	case p.refused == nil:
		s.accepted(l, p, c)
	case c.Ghost:
	default:
		s.comesBack(p)
	}
	if p.alone > 0 {
		s.toldAlone(p)
	}
}

// comesBack brings back a change that was refused or put off.
func (s *Stage) comesBack(p *bundled) {
	if pipeline.IsPutOff(p.refused) {
		s.metrics.failed.WithLabelValues(p.change.Key.Cluster, "put_off").Inc()
		s.queue.GiveBack(p.change, p.priority) // so that it costs one token, however often it is put off
		s.bringBack(p)
		return
	}
	s.refused(p)
}

// toldAlone brings back a change whose ghosts' deletions went without it, once the sink
// has told of each.
func (s *Stage) toldAlone(p *bundled) {
	if p.alone--; p.alone > 0 {
		return
	}
	if p.refused != nil {
		s.comesBack(p)
		return
	}
	s.rest(p, func() { s.queue.again(p) })
}

func (s *Stage) accepted(l load, p *bundled, c *pipeline.Change) {
	if t := c.Origin.Tracker; t != nil {
		t.Ack(c)
	}
	l.last.of(s.metrics, c)
	l.last.delivered.Inc()
	if c.Ghost {
		return
	}
	l.last.lag.Observe(time.Since(c.Observed).Seconds())
	s.settle(p)
}

// settle is done with a change for good.
func (s *Stage) settle(p *bundled) {
	if over := s.refusals.forget(p.change.Key); over != nil {
		s.log.Info("Sink accepts again what it has refused of a cluster", "cluster", over.Cluster, "since", over.Since)
	}
	p.change.Release()
	s.queue.finish(p)
}

// refused brings back a change. Its worker is free, and its lane has it.
func (s *Stage) refused(p *bundled) {
	c := p.change
	s.metrics.failed.WithLabelValues(c.Key.Cluster, "refused").Inc()
	if s.refusals.refuse(c.Key, c.ResourceVersion, p.refused, time.Now()) {
		s.log.Error(p.refused, "Sink refuses changes of a cluster; they are tried again", "cluster", c.Key.Cluster, "key", c.Key.String())
	}
	c.Refusals++
	s.bringBack(p)
}

// bringBack has a change wait in its lane for its next try.
func (s *Stage) bringBack(p *bundled) {
	after, _ := pipeline.RetryDelay(p.refused)
	s.rest(p, func() { s.queue.requeue(p, after) })
}

// rest brings back a change that no sink has: it may give its object up while it waits.
func (s *Stage) rest(p *bundled, bringBack func()) {
	p.change.Rests = true
	contended := p.change.Memory.Contended()
	bringBack()
	if contended { // else whoever begins to wait does it
		s.queue.Evict()
	}
}

// reread brings back a change that has given up its object, and asks for that: the change
// with it takes this one's place in the lane.
func (s *Stage) reread(p *bundled) {
	c := p.change
	s.metrics.reread.WithLabelValues(c.Key.Cluster).Inc()
	if t, ok := c.Origin.Tracker.(pipeline.Rereader); ok {
		t.Reread(c)
	}
	s.queue.requeue(p, 0)
}

// fail counts what of l did not get through.
func (s *Stage) fail(l load, reason string) {
	for i, p := range l.parts {
		if !p.done && !l.changes[i].Ghost {
			s.metrics.failed.WithLabelValues(p.change.Key.Cluster, reason).Inc()
		}
	}
}
