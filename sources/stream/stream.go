package stream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/member"
	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// Connection is the member's connection, shared by its streams.
type Connection interface {
	// Acquire returns the session to dial with. It blocks while the member is
	// not to be dialed; it fails only when ctx ends or the member is gone.
	Acquire(ctx context.Context) (*member.Session, error)
	// Report tells how a call went: nil if the server answered. It does not
	// block.
	Report(s *member.Session, err error)
	// SetStale says that a stream went silent for too long, or is fresh again.
	// It does not block.
	SetStale(stream string, stale bool)
}

// Offerer takes changes over: the queue.
type Offerer interface {
	// Offer blocks while the cluster's lane is full. It fails when ctx ends or
	// when no change of the cluster will be taken any more.
	Offer(ctx context.Context, c *pipeline.Change, priority int) error
}

// Ledger keeps the cursors of streams; ledger.Ledger is one.
type Ledger interface {
	// Claim returns the cursor of a stream, and those that it had in other
	// clusters of that name.
	Claim(ledger.Claiming) (c *ledger.Cursor, former []*ledger.Cursor)
	// Recall returns the streams that there are cursors of under that name, and
	// which of them Claim would take for this cluster's.
	Recall(cluster, uid string, others ...string) []ledger.Remembered
	// Drop forgets a cursor.
	Drop(id ledger.StreamID)
}

// Options are what a stream works with. Cluster, Spec, Connection, Offerer and
// Ledger are required.
type Options struct {
	Cluster    string // the member's name in the fleet
	Spec       Spec
	Earlier    []Spec // those of the member's other streams that were written before
	Config     Config
	Connection Connection
	Offerer    Offerer
	Ledger     Ledger
	// Snapshots bounds the snapshots that start at once across the fleet, and
	// the pages that audits read at once; nil: nothing does.
	Snapshots Semaphore
	// Claims keeps streams from following the same objects; it is shared by all
	// streams that share a ledger. nil: the caller knows that no two do.
	Claims *Claims
	// Buffers is where objects are copied to; it is best shared by all streams. An
	// object's goes back to it with the ack, so that nobody may use the object
	// after that. nil: each object gets memory of its own.
	Buffers *Buffers
	// Log gets state transitions. The zero Logger drops them.
	Log logr.Logger
}

// Priorities of changes.
const (
	livePriority     = 0
	snapshotPriority = -100 // as controller-runtime gives to what its first list brings
)

// liveFor is how long a watch must have lasted for its end to be taken for
// something that just happens, and not for one more failure.
const liveFor = 10 * time.Second

// missingRetry is how often a cluster is asked again for a resource that it
// does not have, or that cannot be followed there: 30 s and up to half as much
// again.
const missingRetry = 30 * time.Second

// Stream follows one resource of one cluster. New makes one, Run runs it.
type Stream struct {
	cluster string
	spec    Spec
	earlier []Spec
	name    string
	cfg     Config
	conn    Connection
	offerer Offerer
	ledger  Ledger
	slots   Semaphore
	claims  *Claims
	buffers *Buffers
	log     logr.Logger
	turn    turn

	progress progress
	demands  demands
	auditor  auditor
	acks     bell
	roomMade chan struct{} // capacity 1: MakeRoom was called

	// What follows belongs to Run.
	session    *member.Session // the last one used
	replaced   *member.Session // the last one seen replaced
	target     *target         // what it is followed with
	noStream   bool            // the session's server has no streaming lists
	unserved   int             // streaming lists in a row that it did not serve
	bookmarks  bool            // it sends bookmarks
	refused    bool            // what was asked last is refused until someone changes something
	refresh    bool            // target is to be discovered again
	recheck    bool            // its group may prefer another version by now
	absence    absence         // of what the ledger remembers
	stale      bool            // reported as such
	cause      cause           // why the snapshot that is needed is
	backoff    *backoff.ExponentialBackOff
	attempts   int // in a row that did not last
	shortage   shortage
	namespaces map[string]string
}

// New returns a stream. It starts nothing.
func New(o Options) *Stream {
	cfg := o.Config.withDefaults()
	log := o.Log
	if log.GetSink() == nil {
		log = logr.Discard()
	}
	s := &Stream{
		cluster:  o.Cluster,
		spec:     o.Spec,
		earlier:  o.Earlier,
		name:     o.Spec.String(),
		cfg:      cfg,
		conn:     o.Connection,
		offerer:  o.Offerer,
		ledger:   o.Ledger,
		slots:    o.Snapshots,
		claims:   o.Claims,
		buffers:  o.Buffers,
		log:      log.WithValues("cluster", o.Cluster, "stream", o.Spec.String()),
		turn:     newTurn(),
		shortage: newShortage(),
		backoff:  retry.NewBackOff(cfg.ReconnectMin, cfg.ReconnectMax),
	}
	s.progress.state, s.progress.since = member.Connecting, time.Now()
	s.acks.rung, s.roomMade = make(chan struct{}, 1), make(chan struct{}, 1)
	return s
}

// Name returns the spec in its canonical form.
func (s *Stream) Name() string { return s.name }

// Spec returns what the stream was made to follow.
func (s *Stream) Spec() Spec { return s.spec }

// Run follows the resource until ctx ends; it returns nil then. It returns an
// error only when there is no point in going on: the member is gone,
// or changes are no longer taken. It must not run twice at once.
func (s *Stream) Run(ctx context.Context) error {
	defer s.claims.release(s)
	defer s.setFresh()
	stopAudits := s.startAudits(ctx)
	defer stopAudits()
	for {
		session, err := s.conn.Acquire(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("stream %s of cluster %q: %w", s.name, s.cluster, err)
		}
		s.adopt(session)
		end := s.attempt(ctx, session)
		if ctx.Err() != nil {
			return nil
		}
		if end.fatal != nil {
			return fmt.Errorf("stream %s of cluster %q: %w", s.name, s.cluster, end.fatal)
		}
		s.pause(ctx, session, end)
		if ctx.Err() != nil {
			return nil
		}
	}
}

// adopt forgets what was learned about another session's server.
func (s *Stream) adopt(session *member.Session) {
	if s.session == session {
		return
	}
	s.session, s.noStream, s.refresh = session, false, true
	s.unserved, s.bookmarks, s.refused = 0, false, false
	s.progress.mu.Lock()
	s.progress.redact = session.Redact
	s.progress.mu.Unlock()
}

// ending says how an attempt ended.
type ending struct {
	reason reason
	err    error         // nil if the server just closed the watch
	after  time.Duration // how long the server asked to be left alone
	lasted bool          // the stream was live for a while
	moved  bool          // what was discovered before is not there any more
	fatal  error         // ends the stream
}

// pause waits until the next attempt is due.
func (s *Stream) pause(ctx context.Context, session *member.Session, end ending) {
	// A session that has been replaced is not given out again. Should it be,
	// nothing wakes this stream, and its delays grow.
	changed := session.Changed
	again := end.reason == renewed && s.replaced == session
	if again {
		changed = nil
	}
	if end.reason == renewed {
		s.replaced = session
	}
	s.progress.reconnects[end.reason].Add(1)
	if end.err != nil {
		s.noteError(end.err)
	}
	if end.lasted || end.reason == renewed && !again {
		s.attempts = 0
		s.backoff.Reset()
	}
	if end.moved {
		s.refresh = true
		return // to look where it is now
	}
	state := member.BackingOff
	var delay time.Duration
	switch end.reason {
	case unauthorized, forbidden, rejected:
		// Only the member's administrators can change it, new credentials, or
		// whoever wrote what to follow.
		state = member.Waiting
		delay = s.cfg.ReconnectMax/2 + rand.N(s.cfg.ReconnectMax/2+1)
	case missing, overlapping, unclear, incomplete:
		state, s.refresh = member.Waiting, true
		delay = s.cfg.missingRetry + rand.N(s.cfg.missingRetry/2)
	case tooMany:
		state = member.Waiting
		s.lookLater(time.Now())
		delay = time.Until(s.shortage.due)
	case renewed:
		if !again {
			return // for the session that replaced it
		}
		delay = s.backoff.NextBackOff()
	case requested:
		return // for the snapshot
	case closed, expired, silent, quiet:
		if end.lasted {
			return
		}
		delay = s.backoff.NextBackOff()
	default:
		delay = s.backoff.NextBackOff()
	}
	s.attempts++
	delay = max(delay, end.after)
	s.schedule(state, end.reason.String(), s.attempts, delay)

	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-changed:
	case <-s.roomMade:
	}
}

// setStale reports the stream as stale, setFresh as fresh again.
func (s *Stream) setStale() {
	if !s.stale {
		s.stale = true
		s.conn.SetStale(s.name, true)
	}
	s.setState(member.Stale, silent.String())
}

func (s *Stream) setFresh() {
	if s.stale {
		s.stale = false
		s.conn.SetStale(s.name, false)
	}
}
