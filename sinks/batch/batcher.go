package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// ErrStopped is what Deliver returns for changes that were not accepted before
// Run ended.
var ErrStopped = errors.New("the sink has stopped")

// Batcher writes what is delivered to it to one sink, in batches.
type Batcher struct {
	name    string
	sink    pipeline.Sink
	opts    Options
	metrics *series
	wake    chan struct{} // holds one: something may have become due
	ended   chan struct{} // closed when Run has ended
	free    sync.Pool     // of *request

	// Of Run alone:
	backoff *backoff.ExponentialBackOff // of the destination
	batch   []*item                     // the one under way; kept for its memory
	changes []*pipeline.Change          // likewise
	settled []*request                  // likewise
	refused refused                     // in this round
	reason  error                       // why this round failed

	mu      sync.Mutex
	started bool
	stopped bool
	pending []*item   // in the order given, changes of one key included
	gate    time.Time // no write before then
	health  health
}

// New returns a batcher for the sink. The name is the sink's in logs, metrics
// and errors. Nothing is written before Run.
func New(name string, sink pipeline.Sink, opts Options) *Batcher {
	opts = opts.withDefaults()
	b := &Batcher{
		name:    name,
		sink:    sink,
		opts:    opts,
		metrics: opts.Metrics.of(name),
		wake:    make(chan struct{}, 1),
		ended:   make(chan struct{}),
		backoff: retry.NewBackOff(opts.ReconnectMin, opts.ReconnectMax),
		health:  health{healthy: true, since: time.Now()},
	}
	b.free.New = func() any { return &request{told: make(chan struct{}, 1)} }
	return b
}

// Deliver blocks until the sink has durably accepted or refused each of the
// changes, those of one key in the order given here: see [pipeline.Destination].
// It calls tell with the index of each as soon as that is known, whatever becomes
// of the others: nil for one that was accepted or dead-lettered, else why the sink
// has refused it. It returns an error only when ctx ends or Run has ended
// ([ErrStopped]); what it has not told of counts as not accepted then, though any
// of that may have been. Before Run it waits for Run.
func (b *Batcher) Deliver(ctx context.Context, tell func(i int, refused error), changes ...*pipeline.Change) error {
	if len(changes) == 0 {
		return nil
	}
	if ctx.Err() != nil {
		return b.undelivered(context.Cause(ctx))
	}
	r := b.free.Get().(*request)
	r.items = slices.Grow(r.items, len(changes))
	for _, c := range changes {
		r.items = append(r.items, item{change: c, request: r})
	}
	r.left = len(changes)

	b.mu.Lock()
	if b.stopped {
		b.mu.Unlock()
		return b.undelivered(ErrStopped)
	}
	for i := range r.items {
		b.pending = append(b.pending, &r.items[i])
	}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default: // Run has yet to hear of an earlier one, and will find this one too
	}

	for {
		var err error
		select {
		case <-r.told:
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-b.ended:
			err = ErrStopped
		}
		if err != nil {
			b.withdraw(r)
		}
		if b.tell(r, tell) {
			if err == nil {
				r.reset()
				b.free.Put(r)
			}
			return nil
		}
		if err != nil {
			return b.undelivered(err)
		}
	}
}

// tell calls f for what has been settled since it was called last, and reports
// whether that is all of r.
func (b *Batcher) tell(r *request, f func(int, error)) (all bool) {
	b.mu.Lock()
	r.news = false
	all = r.left == 0
	for i := range r.items {
		if it := &r.items[i]; it.state == settled {
			it.state = known
			r.fresh = append(r.fresh, news{i, it.refused})
		}
	}
	b.mu.Unlock()
	for _, n := range r.fresh {
		f(n.index, n.refused)
	}
	clear(r.fresh)
	r.fresh = r.fresh[:0]
	return all
}

func (b *Batcher) undelivered(err error) error {
	return fmt.Errorf("deliver to sink %q: %w", b.name, err)
}

// Run writes batches until ctx ends, then returns nil; what is pending is left
// to the callers of Deliver, who get [ErrStopped]. A write under way is told
// through its ctx, and waited for. Run fails only when called a second time.
func (b *Batcher) Run(ctx context.Context) error {
	b.mu.Lock()
	if b.started {
		b.mu.Unlock()
		return fmt.Errorf("run sink %q: it was started before", b.name)
	}
	b.started = true
	b.mu.Unlock()
	defer b.end()

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
	return nil
}

func (b *Batcher) end() {
	b.mu.Lock()
	b.stopped = true
	b.mu.Unlock()
	close(b.ended)
}
