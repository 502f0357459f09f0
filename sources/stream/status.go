package stream

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// Status is where a stream stands at one moment, and what it has done since it
// was made.
type Status struct {
	Cluster  string       `json:"cluster"`
	Stream   string       `json:"stream"`             // the spec in its canonical form
	Wildcard string       `json:"wildcard,omitempty"` // that stands for it
	Resource string       `json:"resource,omitempty"` // with its group; empty until discovered
	State    member.State `json:"state"`
	Since    time.Time    `json:"since"` // when it entered State
	// Reason is why the stream is in that state, in a word: what a snapshot is
	// taken for, or what the last attempt failed for; "resource gone, N objects
	// held" if that is what sinks have of one that is not served. Empty while
	// all is well.
	Reason string `json:"reason,omitempty"`
	// LastError is what went wrong last, even if all is well again; empty if
	// nothing has.
	LastError   string    `json:"lastError,omitempty"`
	LastErrorAt time.Time `json:"lastErrorAt,omitzero"`
	// Attempt counts the attempts in a row that did not last; NextRetry is
	// when the next one is due, zero unless one is scheduled.
	Attempt   int       `json:"attempt"`
	NextRetry time.Time `json:"nextRetry,omitzero"`
	// LastFrame is when the server last said something; zero: not yet.
	LastFrame time.Time `json:"lastFrame,omitzero"`

	Observed   uint64            `json:"observed"`            // states read
	Duplicate  uint64            `json:"duplicate"`           // of these: accepted by sinks before
	Outdated   uint64            `json:"outdated"`            // of these: older than what sinks accepted
	Unchanged  uint64            `json:"unchanged,omitempty"` // of these: nothing that counts has changed
	Tombstones uint64            `json:"tombstones"`
	Bytes      uint64            `json:"bytes"`      // read from the server, uncompressed
	Snapshots  map[string]uint64 `json:"snapshots"`  // begun, by reason
	Reconnects map[string]uint64 `json:"reconnects"` // ended or failed connections, by reason
	Rejected   map[string]uint64 `json:"rejected"`   // frames not handed on, by reason
	// LastRejected is when a frame was last not handed on for another reason than that there
	// is no room in the ledger; zero: never.
	LastRejected time.Time `json:"lastRejected,omitzero"`
	// Reduced is of how many objects the newest state was delivered without its contents,
	// because these were rejected. It counts to 1000.
	Reduced int `json:"reduced,omitempty"`

	Audits           map[string]uint64 `json:"audits"`                  // ended, by result
	AuditDifferences uint64            `json:"auditDifferences"`        // objects that an audit found to differ
	LastDifference   time.Time         `json:"lastDifference,omitzero"` // when the last of these was found

	// Missing are the objects that the server has, as far as it has told, and that
	// were left out because its cluster may have no more in the ledger.
	Missing int `json:"missing,omitempty"`
	Known   int `json:"known"`   // objects that a sink may hold; of several routes, the most
	Unacked int `json:"unacked"` // changes of objects that a sink has not accepted yet, of all routes
	// OldestUnacked is when the oldest of these changes was observed; zero if
	// there is none.
	OldestUnacked time.Time `json:"oldestUnacked,omitzero"`

	// LimitedSince is since when the stream waits for a token of the limit of its resource, and
	// reads nothing meanwhile; zero: it does not. LimitedSeconds is how long it has waited for
	// these in all. If a route reads for itself, both waits count.
	LimitedSince   time.Time `json:"limitedSince,omitzero"`
	LimitedSeconds float64   `json:"limitedSeconds,omitempty"`

	Routes []RouteStatus `json:"routes"` // in the order of Options.Routes
}

// progress is the part of a stream that others look at while it runs.
type progress struct {
	observed, duplicate, outdated, unchanged, tombstones, bytes atomic.Uint64
	lastFrame                                                   moment

	snapshots  [numSnapshotReasons]atomic.Uint64
	reconnects [numReasons]atomic.Uint64
	rejected   [numRejections]atomic.Uint64

	audits      [numAuditResults]atomic.Uint64
	differences atomic.Uint64

	rejectedAt, differedAt moment // the last time
	limited                waits  // for tokens
	reduced                amiss  // whose contents were rejected
}

// moment is a point in time that several goroutines set and read; at first it is zero.
type moment struct{ unixNano atomic.Int64 }

func (m *moment) set(at time.Time) { m.unixNano.Store(at.UnixNano()) }

func (m *moment) clear() { m.unixNano.Store(0) }

func (m *moment) get() time.Time {
	if at := m.unixNano.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// suppressed counts a state that no route delivers.
func (p *progress) suppressed(v ledger.Verdict) {
	switch v {
	case ledger.Duplicate:
		p.duplicate.Add(1)
	case ledger.Stale:
		p.outdated.Add(1)
	case ledger.Unchanged:
		p.unchanged.Add(1)
	}
}

// standing is where a reader stands, which others look at.
type standing struct {
	mu        sync.Mutex
	redact    func(error) string // of the session
	state     member.State
	why       string
	since     time.Time
	lastError string
	errorAt   time.Time
	attempt   int
	nextRetry time.Time
}

// RouteStatus is where one route stands in a stream.
type RouteStatus struct {
	Route string `json:"route"`
	// InStep is whether it shares the stream's watch; Since is when that changed.
	InStep bool      `json:"inStep"`
	Since  time.Time `json:"since"`
	// Why it is behind; and State and Reason of its own watch, which are empty
	// while it has none because it waits for room in its lane, or for one of the
	// watches that routes may have beside the shared one.
	Why    string       `json:"why,omitempty"`
	State  member.State `json:"state,omitempty"`
	Reason string       `json:"reason,omitempty"`
	// Position is the version of the last frame that it has dealt with; empty while
	// it needs a snapshot.
	Position string `json:"position,omitempty"`
	Known    int    `json:"known"`   // objects that the sink may hold
	Unacked  int    `json:"unacked"` // objects with changes that it has not accepted yet
	// OldestUnacked is when the oldest of these changes was observed; zero if
	// there is none.
	OldestUnacked time.Time `json:"oldestUnacked,omitzero"`

	Filtered uint64 `json:"filtered,omitempty"` // states that the route does not select
	// FilterErrors counts states on which an expression could not be evaluated: they are
	// selected. LastFilterError is the last one's, which says nothing of the object, and
	// LastFilterErrorAt when that was.
	FilterErrors      uint64    `json:"filterErrors,omitempty"`
	LastFilterError   string    `json:"lastFilterError,omitempty"`
	LastFilterErrorAt time.Time `json:"lastFilterErrorAt,omitzero"`
	// FilterFailing is of how many objects that is so of the newest state. It counts to 1000.
	FilterFailing int `json:"filterFailing,omitempty"`
}

// allReaders returns those that run, the main one first.
func (s *Stream) allReaders() []*reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	main := s.main.Load()
	all := []*reader{main}
	for _, r := range s.readers {
		if r != main {
			all = append(all, r)
		}
	}
	return all
}

// Status may be called from any goroutine.
func (s *Stream) Status() Status {
	readers := s.allReaders()
	st := readers[0].standing.status()
	st.Cluster, st.Stream, st.Wildcard = s.cluster, s.name, s.wildcard
	for _, r := range readers {
		st.Missing = max(st.Missing, int(r.missing.Load()))
	}
	s.mu.Lock()
	st.Resource = s.resource
	for _, b := range s.branches {
		st.Routes = append(st.Routes, b.statusLocked())
	}
	s.mu.Unlock()
	for _, route := range st.Routes {
		st.Known = max(st.Known, route.Known)
		st.Unacked += route.Unacked
		if at := route.OldestUnacked; !at.IsZero() && (st.OldestUnacked.IsZero() || at.Before(st.OldestUnacked)) {
			st.OldestUnacked = at
		}
	}

	p := &s.progress
	st.Observed, st.Duplicate, st.Outdated, st.Unchanged = p.observed.Load(), p.duplicate.Load(), p.outdated.Load(), p.unchanged.Load()
	st.Tombstones, st.Bytes = p.tombstones.Load(), p.bytes.Load()
	st.LastFrame, st.LastRejected, st.LastDifference = p.lastFrame.get(), p.rejectedAt.get(), p.differedAt.get()
	st.Reduced = p.reduced.objects()
	st.Snapshots = counts(p.snapshots[:], snapshotReasonNames[:])
	st.Reconnects = counts(p.reconnects[:], reasonNames[:])
	st.Rejected = counts(p.rejected[:], rejectionNames[:])
	st.Audits, st.AuditDifferences = counts(p.audits[:], auditResultNames[:]), p.differences.Load()
	p.limited.tell(&st)
	if st.Reason == missing.String() && st.Known > 0 {
		st.Reason = fmt.Sprintf("resource gone, %d objects held", st.Known)
	}
	return st
}

func (x *standing) status() Status {
	x.mu.Lock()
	defer x.mu.Unlock()
	return Status{
		State: x.state, Reason: x.why, Since: x.since, LastError: x.lastError, LastErrorAt: x.errorAt,
		Attempt: x.attempt, NextRetry: x.nextRetry,
	}
}

func (b *branch) statusLocked() RouteStatus {
	st := RouteStatus{Route: b.route.Name, InStep: b.behind == "", Since: b.sinceRun, Why: b.behind}
	if b.behind != "" && b.reader != nil {
		own := b.reader.standing.status()
		st.State, st.Reason = own.State, own.Reason
	}
	if b.cursor != nil {
		stats := b.cursor.Stats()
		st.Known, st.Unacked, st.OldestUnacked = stats.Known, stats.Unacked, stats.Oldest
		st.Position = b.cursor.Last()
	}
	st.Filtered, st.FilterErrors = b.rules.filtered.Load(), b.rules.failed.Load()
	st.FilterFailing = b.rules.failing.objects()
	if text := b.rules.lastError.Load(); text != nil {
		st.LastFilterError, st.LastFilterErrorAt = redact.Cut(*text, 1024), b.rules.failedAt.get()
	}
	return st
}

// counts names the counters that are not zero.
func counts(counters []atomic.Uint64, names []string) map[string]uint64 {
	m := map[string]uint64{}
	for i := range counters {
		if n := counters[i].Load(); n > 0 {
			m[names[i]] = n
		}
	}
	return m
}

// setState enters a state, unless the stream is in it already.
func (r *reader) setState(state member.State, why string) {
	p := &r.standing
	p.mu.Lock()
	before := p.state
	if before != state {
		p.state, p.since = state, time.Now()
	}
	p.why = why
	p.nextRetry = time.Time{}
	p.mu.Unlock()
	if before != state {
		said := []any{"state", string(state), "was", string(before)}
		if why != "" {
			said = append(said, "reason", why)
		}
		r.logOfMany().Info("Stream changed its state", said...)
	}
}

// logOfMany is for what each stream of a member may say at once. There may be hundreds of a
// wildcard: theirs is debug.
func (r *reader) logOfMany() logr.Logger {
	if r.wildcard != "" {
		return r.log.V(1)
	}
	return r.log
}

// schedule enters a state in which the stream waits for its next attempt.
func (r *reader) schedule(state member.State, why string, attempt int, delay time.Duration) {
	r.setState(state, why)
	p := &r.standing
	p.mu.Lock()
	p.attempt, p.nextRetry = attempt, time.Now().Add(delay)
	p.mu.Unlock()
}

func (r *reader) recordError(err error) {
	text := r.brief(err)
	p := &r.standing
	p.mu.Lock()
	p.lastError, p.errorAt = text, time.Now()
	p.mu.Unlock()
}

// brief returns what an error says, as far as it may be shown: a server may
// answer with anything, at any length, also with the credentials it was sent.
func (r *reader) brief(err error) string {
	p := &r.standing
	p.mu.Lock()
	clean := p.redact
	p.mu.Unlock()
	text := err.Error()
	if clean != nil {
		text = clean(err)
	}
	return redact.Cut(text, 1024)
}

func (r *reader) reject(why rejection, err error) {
	r.progress.rejected[why].Add(1)
	r.progress.rejectedAt.set(time.Now())
	r.recordError(err)
}
