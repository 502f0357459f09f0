package ledger

import (
	"cmp"
	"context"
	"errors"
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

// intentSpacing is how soon after the beginning of one transaction the next may
// begin: what waits meanwhile shares its sync. An intent that comes after a pause is
// stored at once; a first snapshot needs one for each object.
const intentSpacing = 10 * time.Millisecond

// writer is the one goroutine that writes to the store. Acks and resume points
// are gathered for an interval and stored together; an intent is stored as soon as
// intentSpacing allows, with all others that there are at that moment. It looks at cursors
// that the store is behind of (see behind), and at no others.
//
// While the store fails, nothing is delivered. When it takes what some clusters
// have and not what others have, only those others wait: see transaction.store.
type writer struct {
	store    Store
	interval time.Duration
	log      logr.Logger
	ledger   *Ledger
	wake     chan struct{} // capacity 1: someone waits for a transaction
	failing  atomic.Bool

	// Of run.
	waiters map[*cluster]chan struct{} // closed once the cluster's part is stored; who comes meanwhile is in waiting
	retryAt time.Time                  // when clusters that fail are tried again; zero: with the next transaction
	round   uint64                     // counts transactions
	took    uint64                     // the last of them of which the store took something
	looked  int                        // cursors that were looked at, for tests
	refused map[*cluster]struct{}      // those that fail

	ended chan struct{} // closed when run has returned

	mu      sync.Mutex
	waiting map[*cluster]chan struct{} // closed once a transaction that begins later has stored the cluster's part
	flushed map[*cluster]bool          // those of which the next transaction takes everything
	dropped map[*cluster][]string      // cursors to remove from the store
	behind  behind[*cluster]
	status  Status
}

func newWriter(o Options, l *Ledger) *writer {
	return &writer{
		store:    o.Store,
		interval: cmp.Or(o.Interval, DefaultInterval),
		log:      o.Log,
		ledger:   l,
		refused:  map[*cluster]struct{}{},
		wake:     make(chan struct{}, 1),
		ended:    make(chan struct{}),
		waiters:  map[*cluster]chan struct{}{},
		waiting:  map[*cluster]chan struct{}{},
		flushed:  map[*cluster]bool{},
		dropped:  map[*cluster][]string{},
		status:   Status{Healthy: true, Since: time.Now()},
	}
}

// safe returns nil, unless something of the cluster is not stored or the store fails,
// for all or for this cluster: then what is closed when the next transaction has
// succeeded.
func (w *writer) safe(k *cluster, unstored bool) <-chan struct{} {
	if !unstored && !w.failing.Load() && !k.failing.Load() {
		return nil
	}
	return w.next(k, false)
}

// run writes until ctx ends, and then what is dirty once more. It returns the
// error of that last transaction, or that of the one that was refused because there
// has been a later term: then nothing is written any more.
func (w *writer) run(ctx context.Context) error {
	defer close(w.ended)
	tick := time.NewTicker(w.interval)
	defer tick.Stop()
	delays := retry.NewBackOff(writeRetryMin, writeRetryMax)
	again := time.NewTimer(0)
	defer again.Stop()
	all := false // acks and resume points too, not only intents
	var until time.Time
	for {
		select {
		case <-ctx.Done():
			// Nothing is handed over any more. What is not stored now is
			// delivered again after a restart: once is enough.
			w.retryAt = time.Time{}
			for _, c := range w.ledger.all() {
				c.close()
			}
			last := context.WithoutCancel(ctx)
			if err := w.commit(last, true); err != nil {
				return err
			}
			return w.commit(last, true) // for those who came while others waited for their cluster
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
		t := w.begin(all)
		t.store(ctx)
		switch {
		case t.err == nil && !t.skipped:
			w.retryAt = time.Time{}
			delays.Reset()
		case t.err != nil && !w.retryAt.After(now):
			w.retryAt = time.Now().Add(delays.NextBackOff())
		}
		w.settle(t)
		if errors.Is(t.err, ErrOldTerm) {
			return t.err
		}
		all, until = false, now.Add(intentSpacing)
		if !w.retryAt.IsZero() {
			again.Reset(time.Until(w.retryAt))
		}
	}
}

// commit stores what is dirty. After a failure all of what failed is dirty again.
func (w *writer) commit(ctx context.Context, all bool) error {
	t := w.begin(all)
	t.store(ctx)
	w.settle(t)
	return t.err
}

// settle records which clusters' parts are stored, and wakes the waiters for them.
func (w *writer) settle(t *transaction) {
	for _, p := range t.parts {
		w.record(p)
	}
	w.free(t)
	failing := w.fails()
	w.report(failing, t.err)
	for k := range t.parts {
		w.reportCluster(k, failing)
	}
	w.wakeFor(func(k *cluster) bool { return !k.failing.Load() && (!failing || t.parts[k] != nil) })
}

// stored records that parts are stored, while others may not be yet, and wakes the waiters
// for them.
func (w *writer) stored(parts []*part) {
	w.took = w.round
	are := make(map[*cluster]bool, len(parts))
	for _, p := range parts {
		w.record(p)
		are[p.cluster] = true
	}
	if w.failing.Load() && !w.fails() {
		w.report(false, nil)
	}
	w.wakeFor(func(k *cluster) bool { return are[k] })
}

// wakeFor wakes the waiters for some clusters. Those who came meanwhile are next.
func (w *writer) wakeFor(are func(*cluster) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, stored := range w.waiters {
		if !are(k) {
			continue
		}
		close(stored)
		delete(w.waiters, k)
		if w.waiting[k] != nil {
			w.wakeUp()
		}
	}
}

// wakeUp has run begin a transaction.
func (w *writer) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
