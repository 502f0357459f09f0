package ledger

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/internal/retry"
)

// Bounds of the delay before a failed transaction is tried again.
const (
	writeRetryMin = 250 * time.Millisecond
	writeRetryMax = 10 * time.Second
)

// noteSpacing is how soon after the beginning of one transaction the next may
// begin: what waits meanwhile shares its sync. A note that comes after a pause is
// stored at once; a first snapshot needs one for each object.
const noteSpacing = 10 * time.Millisecond

// writer is the one goroutine that writes to the store. Acks and resume points
// are gathered for an interval and stored together; a note is stored as soon as
// noteSpacing allows, with all others that there are at that moment.
type writer struct {
	store    Store
	interval time.Duration
	log      logr.Logger
	cursors  func() []*Cursor
	wake     chan struct{} // capacity 1: someone waits for a transaction
	failing  atomic.Bool

	owed []chan struct{} // of run: to be closed with the next success

	mu      sync.Mutex
	next    chan struct{} // closed once a transaction that begins later has succeeded
	dropped []string      // cursors to remove from the store
	status  Status
}

// Status is where the ledger's store stands.
type Status struct {
	Healthy   bool
	Since     time.Time // when Healthy last changed
	LastError string    // empty while healthy
	Attempts  int       // failed transactions since it was last healthy
	NextRetry time.Time // zero while healthy
	Written   time.Time // when the last transaction succeeded; zero: none has
	// Writes and Failures count transactions, Records what was written.
	Writes, Failures, Records uint64
}

func newWriter(store Store, interval time.Duration, log logr.Logger, cursors func() []*Cursor) *writer {
	return &writer{
		store:    store,
		interval: interval,
		log:      log,
		cursors:  cursors,
		wake:     make(chan struct{}, 1),
		next:     make(chan struct{}),
		status:   Status{Healthy: true, Since: time.Now()},
	}
}

// safe returns nil, unless something is unnoted or the store fails: then what is
// closed when the next transaction has succeeded.
func (w *writer) safe(unnoted bool) <-chan struct{} {
	if !unnoted && !w.failing.Load() {
		return nil
	}
	// A transaction takes its channel before it looks what is dirty, so it
	// holds what the caller has marked before.
	w.mu.Lock()
	stored := w.next
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return stored
}

// run writes until ctx ends, and then what is dirty once more. It returns the
// error of that last transaction.
func (w *writer) run(ctx context.Context) error {
	tick := time.NewTicker(w.interval)
	defer tick.Stop()
	delays := retry.NewBackOff(writeRetryMin, writeRetryMax)
	again := time.NewTimer(0)
	defer again.Stop()
	all := false // acks and resume points too, not only notes
	var until time.Time
	for {
		select {
		case <-ctx.Done():
			// Nothing is handed over any more. What is not stored now is
			// delivered again after a restart: once is enough.
			err := w.commit(context.WithoutCancel(ctx), true)
			w.report(err, time.Time{})
			return err
		case <-tick.C:
			all = true
		case <-w.wake:
		case <-again.C:
		}
		now := time.Now()
		if now.Before(until) {
			again.Reset(until.Sub(now))
			continue
		}
		err := w.commit(ctx, all)
		var retryAt time.Time
		if err != nil {
			delay := delays.NextBackOff()
			retryAt = time.Now().Add(delay)
			until = retryAt
			again.Reset(delay)
		} else {
			all, until = false, now.Add(noteSpacing)
			delays.Reset()
		}
		w.report(err, retryAt)
	}
}

// transaction is what one call of Apply stores, and how to take that back.
type transaction struct {
	updates []Update
	dropped []string
	batches []batch
	records int
}

// begin puts a transaction together: of notes only, or with all of everything.
func (w *writer) begin(all bool) (t transaction) {
	w.mu.Lock()
	w.owed = append(w.owed, w.next)
	w.next = make(chan struct{})
	w.mu.Unlock()
	for _, c := range w.cursors() {
		if b, u := c.take(all); len(u.Records) > 0 || u.Head != nil {
			t.batches = append(t.batches, b)
			t.updates = append(t.updates, u)
			t.records += len(u.Records)
		}
	}
	// After that, so that a cursor is never stored without the end of the one
	// whose place it took; and last, so that nothing is left of one that was
	// dropped just now.
	w.mu.Lock()
	t.dropped, w.dropped = w.dropped, nil
	w.mu.Unlock()
	for _, cursor := range t.dropped {
		t.updates = append(t.updates, Update{Cursor: cursor, Drop: true})
	}
	return t
}

// commit stores what is dirty in one transaction. After a failure all of it is
// dirty again.
func (w *writer) commit(ctx context.Context, all bool) error {
	t := w.begin(all)
	if len(t.updates) > 0 {
		if err := w.store.Apply(ctx, t.updates); err != nil {
			for _, b := range t.batches {
				b.putBack()
			}
			w.mu.Lock()
			w.dropped = append(t.dropped, w.dropped...)
			w.mu.Unlock()
			return err
		}
		for _, b := range t.batches {
			b.written()
		}
		w.mu.Lock()
		w.status.Writes++
		w.status.Records += uint64(t.records)
		w.status.Written = time.Now()
		w.mu.Unlock()
	}
	for _, stored := range w.owed {
		close(stored)
	}
	w.owed = nil
	return nil
}

// report keeps the status, and logs when the store begins to fail and when it
// has recovered.
func (w *writer) report(err error, retryAt time.Time) {
	now := time.Now()
	w.mu.Lock()
	s := &w.status
	was := s.Healthy
	s.Healthy, s.NextRetry = err == nil, retryAt
	if s.Healthy != was {
		s.Since = now
	}
	if err != nil {
		s.LastError = err.Error()
		s.Attempts++
		s.Failures++
	} else {
		s.LastError, s.Attempts = "", 0
	}
	w.mu.Unlock()
	w.failing.Store(err != nil)
	switch {
	case was && err != nil:
		w.log.Error(err, "The ledger cannot be written; delivery pauses until it can")
	case !was && err == nil:
		w.log.Info("The ledger is written again; delivery goes on")
	}
}

// drop removes a cursor from the store with the next transaction.
func (w *writer) drop(cursor string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropped = append(w.dropped, cursor)
}

func (w *writer) getStatus() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}
