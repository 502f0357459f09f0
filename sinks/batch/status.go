package batch

import "time"

// Status is where a sink stands. As JSON it is part of what /clusters answers.
type Status struct {
	// Healthy is whether the destination takes what it is given. Single changes
	// that it refuses are not kept here: whoever brings them again knows them.
	Healthy bool `json:"healthy"`
	// Since is when Healthy last changed.
	Since time.Time `json:"since"`
	// LastError is the latest failure, empty while healthy.
	LastError string `json:"lastError,omitempty"`
	// Attempts counts the batches that failed since the sink was last healthy.
	Attempts int `json:"attempts"`
	// NextRetry is when what failed is tried again; zero while healthy or when
	// that is due.
	NextRetry time.Time `json:"nextRetry,omitzero"`
	// Waiting counts the changes that wait for a write.
	Waiting int `json:"waiting"`
	// WritingSince is when the oldest write that is under way has begun; zero while there
	// is none.
	WritingSince time.Time `json:"writingSince,omitzero"`
}

// Status returns where the sink stands now.
func (b *Batcher) Status() Status {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Status{Healthy: b.health.healthy, Since: b.health.since, Attempts: b.health.attempts, Waiting: len(b.pending)}
	for _, began := range b.underWay {
		if s.WritingSince.IsZero() || began.Before(s.WritingSince) {
			s.WritingSince = began
		}
	}
	if s.Healthy {
		return s
	}
	s.LastError = b.health.err.Error()
	if b.gate.After(now) {
		s.NextRetry = b.gate
	}
	return s
}

// health is what the writes so far say about the sink.
type health struct {
	healthy  bool
	since    time.Time
	err      error // nil while healthy
	attempts int
}

// turn is a change of health: from healthy to failing or back.
type turn struct {
	happened bool
	healthy  bool
	err      error         // why it fails
	lasted   time.Duration // how long it had failed
	attempts int           // batches that failed meanwhile
}

// note takes in the outcome of a round: why it failed, if it did.
func (h *health) note(now time.Time, reason error) turn {
	if reason != nil {
		h.err = reason
		h.attempts++
		if h.healthy {
			h.healthy, h.since = false, now
			return turn{happened: true, err: reason}
		}
		return turn{}
	}
	if h.healthy {
		return turn{}
	}
	t := turn{happened: true, healthy: true, lasted: now.Sub(h.since), attempts: h.attempts}
	*h = health{healthy: true, since: now}
	return t
}

// announce tells the operator that the sink's health has changed.
func (b *Batcher) announce(t turn) {
	switch {
	case !t.happened:
	case t.healthy:
		b.metrics.up.Set(1)
		b.opts.Log.Info("Sink has recovered", "sink", b.name, "after", t.lasted.String(), "failedWrites", t.attempts)
	default:
		b.metrics.up.Set(0)
		b.opts.Log.Error(t.err, "Sink fails; what it has not accepted is tried again", "sink", b.name)
	}
}
