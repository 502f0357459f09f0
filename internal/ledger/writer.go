package ledger

import (
	"cmp"
	"context"
	"errors"
	"maps"
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
	behind  behind
	status  Status
}

// Status is where the ledger's store stands.
type Status struct {
	Healthy   bool      `json:"healthy"`
	Since     time.Time `json:"since,omitzero"`      // when Healthy last changed
	LastError string    `json:"lastError,omitempty"` // empty while healthy
	Attempts  int       `json:"attempts"`            // failed transactions since it was last healthy
	NextRetry time.Time `json:"nextRetry,omitzero"`  // zero while healthy
	Written   time.Time `json:"written,omitzero"`    // when the last transaction succeeded; zero: none has
	// Writes and Failures count transactions, Records what was written.
	Writes   uint64 `json:"-"`
	Failures uint64 `json:"-"`
	Records  uint64 `json:"-"`
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

// begin puts a transaction together: of intents only, or with everything.
func (w *writer) begin(all bool) *transaction {
	w.round++
	t := &transaction{writer: w, parts: map[*cluster]*part{}}
	w.mu.Lock()
	early := time.Now().Before(w.retryAt)
	for k, stored := range w.waiting {
		if early && k.failing.Load() || w.waiters[k] != nil {
			continue // one channel for all who come until its next turn
		}
		w.waiters[k] = stored
		delete(w.waiting, k)
	}
	flushed := maps.Clone(w.flushed)
	clear(w.flushed)
	w.mu.Unlock()
	// What moves between cursors, and a drop with the term's generation that it raises, is
	// taken as a whole.
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	skip := func(k *cluster) bool { return early && k.failing.Load() }
	everything := func(k *cluster) bool { return all || flushed[k] || k.failing.Load() }
	rest := all || len(flushed) > 0 || len(w.refused) > 0
	w.eachBehind(skip, everything, rest, func(c *Cursor, all bool) {
		b, u := c.take(all)
		if len(u.Records) > 0 || u.Head != nil {
			t.add(b, u)
		}
		if b.gaveUp > 0 {
			id := c.ID()
			w.log.Info("A stream's resume point is given up, as too many deletions had to be remembered for its sake while a change is not accepted; a restart takes a snapshot",
				"cluster", id.Cluster, "resource", id.Resource, "deletions", b.gaveUp)
		}
	})
	if early && len(w.refused) > 0 {
		t.skipped = true
	}
	if w.failing.Load() && !early {
		if c := w.waits(t); c != nil {
			// Only what the store takes tells that it does not fail for all. It may
			// be long until a cluster at rest has something new for it.
			t.add(c.takeHead())
		}
	}
	// After that, so that a cursor is never stored without the end of the one
	// whose place it took; and last, so that nothing is left of one that was
	// dropped just now.
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, cursors := range w.dropped {
		if skip(k) {
			continue
		}
		p := t.part(k)
		p.dropped = cursors
		for _, cursor := range cursors {
			p.updates = append(p.updates, Update{Cursor: cursor, Drop: true})
		}
		delete(w.dropped, k)
	}
	return t
}

// waits returns a cursor of a cluster that is waited for although it has nothing to
// store, and did not fail to; nil: there is none.
func (w *writer) waits(t *transaction) *Cursor {
	waiting := map[*cluster]bool{}
	for k := range w.waiters {
		waiting[k] = t.parts[k] == nil && !k.failing.Load()
	}
	for _, c := range w.ledger.allLocked() {
		if waiting[c.cluster] {
			return c
		}
	}
	return nil
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

// fails reports whether the store is taken to fail, and not only what some clusters
// have for it: it has failed for all clusters, or for more than one since it last
// took anything.
func (w *writer) fails() bool {
	if len(w.refused) == 0 {
		return false
	}
	l := w.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	since := 0
	for k := range w.refused {
		if (k.cursors > 0 || k == l.term.cluster) && k.storing.round > w.took {
			since++
		}
	}
	return since > 1 || !l.anyTakenLocked()
}

// record keeps whether the store has taken a cluster's part.
func (w *writer) record(p *part) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k, err := p.cluster, p.err
	s := &k.storing
	if was := k.failing.Swap(err != nil); was != (err != nil) {
		s.since, s.round = time.Now(), w.round
	}
	if err == nil {
		if s.tried > 0 {
			s.refused = nil
		}
		s.lastError, s.attempts, s.tried = "", 0, 0
		s.drops -= len(p.dropped)
		p.dropped = nil
		delete(w.refused, k)
		return
	}
	s.lastError = err.Error()
	s.attempts++
	if p.alone {
		if s.tried == 0 && s.refused != nil {
			close(s.refused)
		}
		s.tried = w.round
	}
	w.refused[k] = struct{}{}
}

// reportCluster logs when the store begins to refuse a cluster's part, by itself, and when it
// takes it again. While the store fails for all, report logs that.
func (w *writer) reportCluster(k *cluster, failing bool) {
	is := k.failing.Load()
	switch {
	case is && k.storing.tried > 0 && !failing && !k.storing.told:
		k.storing.told = true
		w.log.Error(errors.New(k.storing.lastError), "The ledger cannot store what it has of a cluster; delivery of that one pauses until it can", "cluster", k.name)
	case !is && k.storing.told:
		k.storing.told = false
		w.log.Info("The ledger stores what it has of a cluster again; its delivery goes on", "cluster", k.name)
	}
}

// describe fills in whether the store takes a cluster's part.
func (w *writer) describe(k *cluster, s *ClusterStatus) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.Healthy = !k.failing.Load()
	s.Since, s.LastError, s.Attempts = k.storing.since, k.storing.lastError, k.storing.attempts
}

// report keeps the status, and logs when the store begins to fail and when it
// has recovered.
func (w *writer) report(failing bool, err error) {
	w.mu.Lock()
	s := &w.status
	was := s.Healthy
	s.Healthy, s.NextRetry = !failing, time.Time{}
	if s.Healthy != was {
		s.Since = time.Now()
	}
	switch {
	case !failing:
		s.LastError, s.Attempts = "", 0
	case err != nil:
		s.LastError = err.Error()
		s.Attempts++
	}
	if failing {
		s.NextRetry = w.retryAt
	}
	w.mu.Unlock()
	w.failing.Store(failing)
	switch {
	case was && failing:
		w.log.Error(err, "The ledger cannot be written; delivery pauses until it can")
	case !was && !failing:
		w.log.Info("The ledger is written again; delivery goes on")
	}
}

// drop removes a cursor from the store with the next transaction.
func (w *writer) drop(c *Cursor) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropped[c.cluster] = append(w.dropped[c.cluster], c.key)
	c.cluster.storing.drops++
}

// owes reports whether the store does not take what there is of a cluster, or may have a
// cursor of it that is dropped.
func (w *writer) owes(k *cluster) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return k.failing.Load() || k.storing.drops > 0
}

// free forgets the clusters of which a transaction has stored the last.
func (w *writer) free(t *transaction) {
	l := w.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range t.parts {
		l.freeLocked(k)
	}
}

func (w *writer) getStatus() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}
