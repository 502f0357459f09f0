package batch

import (
	"slices"
	"strings"
	"time"
)

// Status is where a sink stands. As JSON it is part of what /clusters answers.
type Status struct {
	// Healthy is whether the destination takes what it is given, as the last write has shown
	// or, before the first one, Batcher.Check; true before either. Single changes that it
	// refuses are not kept here: whoever brings them again knows them.
	Healthy bool `json:"healthy"`
	// Since is when Healthy last changed.
	Since time.Time `json:"since"`
	// LastError is the latest failure, empty while healthy.
	LastError string `json:"lastError,omitempty"`
	// Attempts counts the writes, and the checks before the first one, that failed since the
	// sink was last healthy.
	Attempts int `json:"attempts"`
	// NextRetry is when what failed is tried again, or checked; zero while healthy or
	// when that is due.
	NextRetry time.Time `json:"nextRetry,omitzero"`
	// Waiting counts the changes that wait for a write.
	Waiting int `json:"waiting"`
	// WritingSince is when the oldest write that is under way has begun; zero while there
	// is none.
	WritingSince time.Time `json:"writingSince,omitzero"`
	// TooLarge is which writes the destination does not take, while it takes smaller ones;
	// nil while nothing is known of such. It is no reason not to be healthy.
	TooLarge *TooLarge `json:"tooLarge,omitempty"`
	// Apart has the clusters of which changes are written apart from those of others, because
	// the sink refused whole batches for them: the first 100 in order.
	Apart []string `json:"apart,omitempty"`
	// Held counts the changes of batches that the sink has refused as a whole and that are yet to
	// be searched for what it refuses. They are written apart too, and none of their clusters is
	// suspected.
	Held int `json:"held,omitempty"`
	// ApartSince is since when something of these has been written apart, zero if nothing is, and
	// ApartError why the last of them was refused.
	ApartSince time.Time `json:"apartSince,omitzero"`
	ApartError string    `json:"apartError,omitempty"`
}

// mostApart is how many clusters a Status names.
const mostApart = 100

// Status returns where the sink stands now.
func (b *Batcher) Status() Status {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Status{Healthy: b.health.healthy, Since: b.health.since, Attempts: b.health.attempts, Waiting: len(b.pending)}
	b.suspects.tell(&s, now)
	for _, began := range b.underWay {
		if s.WritingSince.IsZero() || began.Before(s.WritingSince) {
			s.WritingSince = began
		}
	}
	if b.tooLarge.Changes > 0 && now.Sub(b.window.limit.at) <= limitTime {
		known := b.tooLarge.TooLarge
		s.TooLarge = &known
	}
	if s.Healthy {
		return s
	}
	s.LastError = b.health.err.Error()
	for _, at := range []time.Time{b.gate, b.nextCheck} {
		if at.After(now) {
			s.NextRetry = at
		}
	}
	return s
}

// tell has a status say what is written apart.
func (s *suspects) tell(to *Status, now time.Time) {
	to.Apart = s.names(now)
	to.Apart = to.Apart[:min(len(to.Apart), mostApart)]
	to.Held = len(s.held.keys)
	if len(to.Apart)+to.Held > 0 {
		to.ApartSince, to.ApartError = s.since(now), s.reason
	}
}

const (
	// mostCauses is of how many causes of one failure the log tells as they come, and how
	// many are remembered, so that none of these is told again.
	mostCauses = 8
	// causesApart is after what time it tells of one more, which takes the place of the one
	// that is remembered longest.
	causesApart = time.Minute
	// mutedFor is how long the log is not told of a failure with the cause of the last one, less
	// than causesApart after that was told: one that is over by then, as of a destination that fails
	// now and then, is not told at all.
	mutedFor = 10 * time.Second
)

// health is what the writes so far say about the sink, or checks before them.
type health struct {
	healthy  bool
	since    time.Time
	err      error // nil while healthy
	attempts int
	told     []string  // the causes that the log was told of last; nil while healthy
	toldAt   time.Time // when that was

	last   string    // the cause of the last time that the log was told of
	lastAt time.Time // when that was
	muted  bool      // the log was not told of this time yet
}

// turn is news of the health: from healthy to failing or back, or another cause.
type turn struct {
	happened bool
	healthy  bool
	err      error         // why it fails
	lasted   time.Duration // how long it had failed
	attempts int           // writes and checks that failed meanwhile
}

// note takes in the outcome of a round: why it failed, if it did.
func (h *health) note(now time.Time, reason error) turn {
	if reason != nil {
		h.err = reason
		h.attempts++
		cause := causeOf(reason)
		if h.healthy {
			h.healthy, h.since = false, now
			h.muted = cause == h.last && now.Sub(h.lastAt) < causesApart
		}
		if h.muted && cause == h.last && now.Sub(h.since) < mutedFor {
			return turn{}
		}
		t := turn{happened: h.isNew(now, cause), err: reason}
		if t.happened {
			h.muted, h.last, h.lastAt = false, cause, now
		}
		return t
	}
	if h.healthy {
		return turn{}
	}
	t := turn{happened: !h.muted, healthy: true, lasted: now.Sub(h.since), attempts: h.attempts}
	*h = health{healthy: true, since: now, last: h.last, lastAt: h.lastAt}
	return t
}

// noteLocked is note, and has the metric tell of it.
func (b *Batcher) noteLocked(reason error) turn {
	t := b.health.note(time.Now(), reason)
	up := 0.0
	if b.health.healthy {
		up = 1
	}
	b.metrics.up.Set(up)
	return t
}

// isNew reports whether the log is to be told of a cause: one that is not remembered, and
// after the first mostCauses at most one in causesApart. It is no other one if only numbers differ,
// as ports and times do.
func (h *health) isNew(now time.Time, cause string) bool {
	if slices.Contains(h.told, cause) {
		return false
	}
	if len(h.told) == mostCauses {
		if now.Sub(h.toldAt) < causesApart {
			return false
		}
		h.told = slices.Delete(h.told, 0, 1) // it is told again if it comes again
	}
	h.told, h.toldAt = append(h.told, cause), now
	return true
}

// causeOf returns what a reason is told apart by.
func causeOf(reason error) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, reason.Error())
}

// announce tells the operator of news of the sink's health.
func (b *Batcher) announce(t turn) {
	switch {
	case !t.happened:
	case t.healthy:
		b.opts.Log.Info("Sink has recovered", "sink", b.name, "after", t.lasted.String(), "failedAttempts", t.attempts)
	default:
		b.opts.Log.Error(t.err, "Sink fails; what it has not accepted is tried again", "sink", b.name)
	}
}
