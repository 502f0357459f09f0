package stream

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/member"
)

// Status is where a stream stands at one moment, and what it has done since it
// was made.
type Status struct {
	Cluster  string       `json:"cluster"`
	Stream   string       `json:"stream"`             // the spec in its canonical form
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

	Observed   uint64            `json:"observed"`  // states read
	Duplicate  uint64            `json:"duplicate"` // of these: accepted by sinks before
	Outdated   uint64            `json:"outdated"`  // of these: older than what sinks accepted
	Tombstones uint64            `json:"tombstones"`
	Bytes      uint64            `json:"bytes"`      // read from the server, uncompressed
	Snapshots  map[string]uint64 `json:"snapshots"`  // begun, by reason
	Reconnects map[string]uint64 `json:"reconnects"` // ended or failed connections, by reason
	Rejected   map[string]uint64 `json:"rejected"`   // frames not handed on, by reason

	Audits           map[string]uint64 `json:"audits"`           // ended, by result
	AuditDifferences uint64            `json:"auditDifferences"` // objects that an audit found to differ

	// Missing are the objects that the server has, as far as it has told, and that
	// were left out because its cluster may have no more in the ledger.
	Missing int `json:"missing,omitempty"`
	Known   int `json:"known"`   // objects that sinks may hold
	Unacked int `json:"unacked"` // objects with changes that sinks have not accepted yet
	// OldestUnacked is when the oldest of these changes was observed; zero if
	// there is none.
	OldestUnacked time.Time `json:"oldestUnacked,omitzero"`
}

// progress is the part of a stream that others look at while it runs.
type progress struct {
	observed, duplicate, outdated, tombstones, bytes atomic.Uint64
	lastFrame                                        atomic.Int64 // unix nanoseconds

	snapshots  [numCauses]atomic.Uint64
	reconnects [numReasons]atomic.Uint64
	rejected   [numRejections]atomic.Uint64

	audits      [numAuditResults]atomic.Uint64
	differences atomic.Uint64

	missing atomic.Int64 // objects left out, see shortage
	short   atomic.Bool  // something was left out

	mu        sync.Mutex
	redact    func(error) string // of the session
	resource  string
	state     member.State
	why       string
	since     time.Time
	lastError string
	errorAt   time.Time
	attempt   int
	nextRetry time.Time
	cursor    *ledger.Cursor
}

// Status may be called from any goroutine.
func (s *Stream) Status() Status {
	p := &s.progress
	p.mu.Lock()
	st := Status{
		Cluster: s.cluster, Stream: s.name, Resource: p.resource,
		State: p.state, Reason: p.why, Since: p.since, LastError: p.lastError, LastErrorAt: p.errorAt,
		Attempt: p.attempt, NextRetry: p.nextRetry,
	}
	cursor := p.cursor
	p.mu.Unlock()

	st.Observed, st.Duplicate, st.Outdated = p.observed.Load(), p.duplicate.Load(), p.outdated.Load()
	st.Tombstones, st.Bytes = p.tombstones.Load(), p.bytes.Load()
	if at := p.lastFrame.Load(); at != 0 {
		st.LastFrame = time.Unix(0, at)
	}
	st.Snapshots = counts(p.snapshots[:], causeNames[:])
	st.Reconnects = counts(p.reconnects[:], reasonNames[:])
	st.Rejected = counts(p.rejected[:], rejectionNames[:])
	st.Missing = int(p.missing.Load())
	st.Audits, st.AuditDifferences = counts(p.audits[:], auditResultNames[:]), p.differences.Load()
	if cursor != nil {
		stats := cursor.Stats()
		st.Known, st.Unacked, st.OldestUnacked = stats.Known, stats.Unacked, stats.Oldest
	}
	if st.Reason == missing.String() && st.Known > 0 {
		st.Reason = fmt.Sprintf("resource gone, %d objects held", st.Known)
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
func (s *Stream) setState(state member.State, why string) {
	p := &s.progress
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
		s.log.Info("Stream changed its state", said...)
	}
}

// schedule enters a state in which the stream waits for its next attempt.
func (s *Stream) schedule(state member.State, why string, attempt int, delay time.Duration) {
	s.setState(state, why)
	p := &s.progress
	p.mu.Lock()
	p.attempt, p.nextRetry = attempt, time.Now().Add(delay)
	p.mu.Unlock()
}

func (s *Stream) noteError(err error) {
	text := s.brief(err)
	p := &s.progress
	p.mu.Lock()
	p.lastError, p.errorAt = text, time.Now()
	p.mu.Unlock()
}

// brief returns what an error says, as far as it may be shown: a server may
// answer with anything, at any length, also with the credentials it was sent.
func (s *Stream) brief(err error) string {
	p := &s.progress
	p.mu.Lock()
	redact := p.redact
	p.mu.Unlock()
	text := err.Error()
	if redact != nil {
		text = redact(err)
	}
	const most = 1024
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

func (s *Stream) reject(why rejection, err error) {
	s.progress.rejected[why].Add(1)
	s.noteError(err)
}
