package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
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
	proven  chan struct{} // closed when the first write has ended that tells of the health
	free    sync.Pool     // of *request

	checkedOnce chan struct{} // closed when the first check has answered

	deadLetter sync.Mutex   // held while the function of that name runs
	givenUp    atomic.Int64 // changes, since the sink has accepted one

	mu        sync.Mutex
	started   bool
	stopped   bool
	pending   []*item                     // in the order given, changes of one key included
	writing   keySet                      // keys of the batches under way, if there may be several
	underWay  map[*writer]time.Time       // when each writer's write began
	gate      time.Time                   // no write before then
	began     time.Time                   // of the last write that followed no failed one
	failing   bool                        // the last write has failed with the destination
	backoff   *backoff.ExponentialBackOff // of the destination
	health    health
	nextCheck time.Time // of the destination; zero: there is none
	window    *window
	tooLarge  tooLarge
	suspects  suspects
	pace      func(pipeline.Pace) // nil: nobody wants to know

	panickedAt time.Time // that was logged last
}

var _ pipeline.Paced = (*Batcher)(nil)

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
		proven:  make(chan struct{}),

		checkedOnce: make(chan struct{}),

		backoff: retry.NewBackOff(opts.ReconnectMin, opts.ReconnectMax),
		health:  health{healthy: true, since: time.Now()},
		window:  newWindow(opts.MinBatch, opts.MaxBatch, opts.Concurrency),

		underWay: map[*writer]time.Time{},
	}
	b.free.New = func() any { return &request{told: make(chan struct{}, 1)} }
	return b
}

// Pace has set told how many changes the sink is to be given at once, as its writes
// show: see window.go.
func (b *Batcher) Pace(set func(pipeline.Pace)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pace = set
	set(b.paceLocked())
}

// wrote tells the window of a write, and who asked what it wants now. err is what the sink
// has answered. It reports whether it has failed as was to be expected of n changes.
func (b *Batcher) wrote(n int, took time.Duration, err error) (expected bool) {
	of, outage := outageOf(err)
	if !isPartial(err) && !pipeline.IsPermanent(err) {
		of, outage = n, err
	}
	_, asksForPause := pipeline.RetryDelay(outage)
	b.mu.Lock()
	tried := b.window.limit.fails
	if b.window.limit.suspect > 0 {
		tried = b.window.limit.suspect
	}
	switch {
	case outage == nil:
		b.window.Wrote(n, took)
	case asksForPause && of == n:
		b.window.Paused(n)
	case of == n:
		expected = b.window.Failed(n)
	default:
		expected = b.window.FailedInPart(n, took, !asksForPause && 2*of > n)
	}
	if n < tried || asksForPause {
		outage = nil // not for the size
	}
	news := b.tooLarge.note(time.Now(), b.window.limit.fails, b.window.limit.fits, outage)
	if b.pace != nil {
		b.pace(b.paceLocked())
	}
	b.mu.Unlock()
	b.announceSize(news)
	return expected
}

// paceLocked returns what is to be under way. With a linger a delivery gathers until
// shortly before the linger is over, so that all of them, and what waits for the ledger, become one write;
// and a further one gathers while one is written.
func (b *Batcher) paceLocked() pipeline.Pace {
	p := b.window.Pace(b.opts.MaxBytes)
	if more := b.suspects.more; more > 0 { // as much is put off
		p.Batch = min(p.Batch+more, b.opts.MaxBatch)
		p.UnderWay += (p.Deliveries + 1) * more
	}
	if b.opts.Linger == 0 {
		p.After = b.aheadLocked()
	} else {
		p.Bytes = b.enough()
		p.Until = b.began.Add(b.opts.Linger - b.opts.Linger/16)
		p.Deliveries = max(p.Deliveries, b.opts.Concurrency+1)
		p.UnderWay = max(p.UnderWay, (p.Deliveries+1)*p.Batch)
	}
	return p
}

// ForgetCluster forgets what was found out of a cluster that left the fleet, of which nothing
// waits any more. It may be called from any goroutine.
func (b *Batcher) ForgetCluster(cluster string) {
	b.mu.Lock()
	b.suspects.forget(cluster)
	n := len(b.suspects.names(time.Now()))
	b.mu.Unlock()
	b.metrics.apart.Set(float64(n))
}

// enough returns the bytes at which a batch waits for no more: so that the last change has
// room.
func (b *Batcher) enough() int { return b.opts.MaxBytes - b.opts.MaxBytes/8 }

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
	b.signal()

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
			r.fresh = append(r.fresh, news{i, it.change, it.refused, it.outcome == deadLettered, it.call})
		}
	}
	b.mu.Unlock()
	for _, n := range r.fresh {
		// By the caller, whose change it is.
		n.change.DeadLettered = n.deadLettered
		if t := n.change.Trace; t != nil && n.call != nil {
			with := *t
			with.Call = n.call
			n.change.Trace = &with
		}
		f(n.index, n.refused)
	}
	clear(r.fresh)
	r.fresh = r.fresh[:0]
	return all
}

func (b *Batcher) undelivered(err error) error {
	return fmt.Errorf("deliver to sink %q: %w", b.name, err)
}

// signal has a writer look for something to do.
func (b *Batcher) signal() {
	select {
	case b.wake <- struct{}{}:
	default: // one has yet to hear of an earlier signal, and will find this too
	}
}

// Run writes batches until ctx ends, then returns nil; what is pending is left
// to the callers of Deliver, who get [ErrStopped]. Writes under way are told
// through their ctx, and waited for. Run fails only when called a second time.
func (b *Batcher) Run(ctx context.Context) error {
	b.mu.Lock()
	if b.started {
		b.mu.Unlock()
		return fmt.Errorf("run sink %q: it was started before", b.name)
	}
	b.started = true
	b.mu.Unlock()
	defer b.end()
	b.awaitCheck(ctx)

	var writers sync.WaitGroup
	for range b.opts.Concurrency {
		writers.Go(func() { (&writer{Batcher: b}).run(ctx) })
	}
	writers.Wait()
	return nil
}

func (b *Batcher) end() {
	b.mu.Lock()
	b.stopped = true
	b.mu.Unlock()
	close(b.ended)
}
