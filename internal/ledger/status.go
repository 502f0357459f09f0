package ledger

import (
	"errors"
	"time"
)

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

func (w *writer) getStatus() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}
