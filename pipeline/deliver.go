package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// load is what of a bundle goes to the destinations together.
type load struct {
	changes []*Change
	parts   []*bundled        // that they are of; nil for a deletion that precedes its change
	safe    []<-chan struct{} // closed when they may be handed over
}

// reconcile hands the changes of b to every destination, and acks each once all
// have it. What the ledger has yet to note delays none of the others.
func (s *Stage) reconcile(ctx context.Context, b *bundle) (reconcile.Result, error) {
	ready, noted := s.begin(b)
	now := func() error { return s.deliver(ctx, b, ready) }
	later := func() error {
		if err := s.await(ctx, noted); err != nil {
			return err
		}
		return s.deliver(ctx, b, noted)
	}
	switch {
	case len(noted.changes) == 0:
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

// begin returns what is to be delivered for a bundle: what may be handed over at
// once, and what must be noted before. The deletions of the UIDs whose place a
// change takes precede it.
func (s *Stage) begin(b *bundle) (ready, noted load) {
	for i := range b.parts {
		p := &b.parts[i]
		c := p.change
		p.lacking.Store(int32(len(s.destinations)))
		to := &ready
		if t := c.Origin.Tracker; t != nil {
			ghosts, safe := t.Begin(c)
			if safe != nil {
				to = &noted
				to.safe = append(to.safe, safe)
			}
			p.ghosts = len(ghosts)
			for _, uid := range ghosts {
				to.add(nil, &Change{
					Key:             c.Key,
					Origin:          c.Origin,
					Op:              Deleted,
					UID:             uid,
					ResourceVersion: c.ResourceVersion,
					Snapshot:        c.Snapshot,
					Tombstone:       true,
					Observed:        c.Observed,
				})
			}
		}
		to.add(p, c)
	}
	return ready, noted
}

func (l *load) add(p *bundled, c *Change) {
	l.parts, l.changes = append(l.parts, p), append(l.changes, c)
}

// await waits until l may be handed over.
func (s *Stage) await(ctx context.Context, l load) error {
	for _, safe := range l.safe {
		select {
		case <-safe:
		case <-ctx.Done():
			s.fail(l, "ledger")
			return fmt.Errorf("note %s before its delivery: %w", l.what(), context.Cause(ctx))
		}
	}
	return nil
}

// deliver hands l to all destinations at the same time, so that a slow one costs
// no more than itself.
func (s *Stage) deliver(ctx context.Context, b *bundle, l load) error {
	began := time.Now()
	accepted := func(i int) { s.accepted(l.parts[i]) }
	var err error
	if len(s.destinations) == 1 {
		err = s.destinations[0].Deliver(ctx, accepted, l.changes...)
	} else {
		err = together(len(s.destinations), func(i int) error {
			return s.destinations[i].Deliver(ctx, accepted, l.changes...)
		})
	}
	if err == nil && !l.isDone() {
		err = errUntold
	}
	if err != nil {
		s.fail(l, "interrupted")
		return fmt.Errorf("deliver %s: %w", l.what(), err)
	}
	s.queue.adapt(b, time.Since(began))
	return nil
}

// errUntold says that a destination does not keep to its contract. To take its
// word that it has everything would be to lose what it does not have.
var errUntold = errors.New("a destination returned without telling of each change")

// isDone tells whether all of l got through. Ask once all destinations have
// returned.
func (l load) isDone() bool {
	return !slices.ContainsFunc(l.parts, func(p *bundled) bool { return p != nil && !p.done })
}

// what names what is in l, for an error.
func (l load) what() string {
	if n := len(l.changes) - 1; n > 0 {
		return fmt.Sprintf("%s and %d more", l.changes[0].Key, n)
	}
	return l.changes[0].Key.String()
}

// accepted notes that a destination has a change, nil for a deletion that
// precedes one. Once all have it, it is acked, and done with the queue.
func (s *Stage) accepted(p *bundled) {
	if p == nil || p.lacking.Add(-1) != 0 {
		return
	}
	c := p.change
	if t := c.Origin.Tracker; t != nil {
		t.Ack(c)
	}
	s.metrics.delivered.WithLabelValues(c.Key.Cluster, c.Key.Resource, c.Op.String()).Inc()
	if p.ghosts > 0 {
		s.metrics.delivered.WithLabelValues(c.Key.Cluster, c.Key.Resource, Deleted.String()).Add(float64(p.ghosts))
	}
	s.metrics.lag.WithLabelValues(c.Key.Cluster).Observe(time.Since(c.Observed).Seconds())
	s.queue.finish(p)
}

// fail counts what of l did not get through.
func (s *Stage) fail(l load, reason string) {
	for _, p := range l.parts {
		if p != nil && !p.done {
			s.metrics.failed.WithLabelValues(p.change.Key.Cluster, reason).Inc()
		}
	}
}
