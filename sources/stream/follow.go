package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// reader is one way of reading a stream's resource: a watch after another, and
// snapshots where it takes them, for the branches that are in step.
type reader struct {
	*Stream
	name     string // the stream's; and the route's, of one that is behind
	standing standing
	requests snapshotRequests
	auditor  auditor
	roomMade chan struct{} // capacity 1: MakeRoom was called
	now      retryNow      // of the delay after an attempt

	// mu guards what decides who may join. It is held for a few instructions, and
	// taken after Stream.mu.
	mu       sync.Mutex
	inStep   []*branch // never changed in place
	position position
	blocked  bool // its only branch has no room
	extra    bool // it reads for what is behind; guarded by Stream.mu
	// turnBegan is since when it does; guarded by Stream.mu.
	turnBegan time.Time

	// What follows belongs to run.
	turnEnds       bool      // it ends for another one's turn
	listing        bool      // it takes a snapshot
	handedOver     time.Time // the first change of that
	spill          *wire.Spill
	session        *member.Session // the last one used
	replaced       *member.Session // the last one seen replaced
	target         *target         // what is followed
	found          resource        // what the branches' cursors are of
	noStream       bool            // the session's server has no streaming lists
	unserved       int             // streaming lists in a row that it did not serve
	bookmarks      bool            // it sends bookmarks
	refused        bool            // what was asked last is refused until someone changes something
	refresh        bool            // target is to be discovered again
	labelled       uint32          // Stream.relabelled, as target is of
	recheck        bool            // its group may prefer another version by now
	absence        absence         // of what the ledger remembers
	stale          bool            // reported as such
	snapshotReason snapshotReason  // why the snapshot that is needed is
	backoff        *backoff.ExponentialBackOff
	attempts       int // in a row that did not last
	shortage       shortage
	missing        atomic.Int64 // objects left out, see shortage
	short          atomic.Bool  // something was left out
	namespaces     map[string]string
}

func (s *Stream) newReader(name string, branches []*branch) *reader {
	r := &reader{
		Stream:   s,
		name:     name,
		inStep:   branches,
		shortage: newShortage(),
		spill:    new(wire.Spill),
		backoff:  retry.NewBackOff(s.cfg.ReconnectMin, s.cfg.ReconnectMax),
		roomMade: make(chan struct{}, 1),
		now:      newRetryNow(),
		auditor:  auditor{turn: make(chan struct{}, 1)},
	}
	r.standing.state, r.standing.since = member.Connecting, time.Now()
	return r
}

// run reads until ctx ends or its branches have joined another reader; it returns
// nil then. It returns errNoRoomInLane when the only branch has had no room for
// long, errTurnOver when others wait for its watch, and any other error if there is no
// point in going on.
func (r *reader) run(ctx context.Context) error {
	defer r.setFresh()
	stopAudits := r.startAudits(ctx)
	defer stopAudits()
	for {
		r.awaitResume(ctx, Stopped, r.setPaused)
		session, err := r.conn.Acquire(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		r.adopt(session)
		end := r.attempt(ctx, session)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(end.fatal, errJoined):
			return nil
		case end.fatal != nil:
			return end.fatal
		case r.turnIsOver():
			return errTurnOver
		}
		r.pause(ctx, session, end)
		if ctx.Err() != nil {
			return nil
		}
	}
}

// adopt forgets what was learned about another session's server.
func (r *reader) adopt(session *member.Session) {
	if r.session == session {
		return
	}
	r.session, r.noStream, r.refresh = session, false, true
	r.unserved, r.bookmarks, r.refused = 0, false, false
	r.standing.mu.Lock()
	r.standing.redact = session.Redact
	r.standing.mu.Unlock()
}

// outcome says how an attempt ended.
type outcome struct {
	reason reason
	err    error         // nil if the server just closed the watch
	after  time.Duration // how long the server asked to be left alone
	lasted bool          // the stream was live for a while
	moved  bool          // what was discovered before is not there any more
	fatal  error         // ends the stream
}

// patience is how often the delay doubles of a stream that its member refuses, if a
// wildcard stands for it: 8 times --reconnect-max is minutes.
const patience = 3

// pause waits until the next attempt is due.
func (r *reader) pause(ctx context.Context, session *member.Session, end outcome) {
	// A session that has been replaced is not given out again. Should it be,
	// nothing wakes this stream, and its delays grow.
	changed := session.Changed
	again := end.reason == renewed && r.replaced == session
	if again {
		changed = nil
	}
	if end.reason == renewed {
		r.replaced = session
	}
	r.progress.reconnects[end.reason].Add(1)
	if end.err != nil {
		r.recordError(end.err)
	}
	if end.lasted || end.reason == renewed && !again {
		r.attempts = 0
		r.backoff.Reset()
	}
	if end.moved {
		r.refresh = true
		return // to look where it is now
	}
	state := member.BackingOff
	var delay time.Duration
	switch end.reason {
	case unauthorized, forbidden, rejected:
		// Only the member's administrators can change it, new credentials, or
		// whoever wrote what to follow.
		state = member.Waiting
		delay = r.cfg.ReconnectMax/2 + rand.N(r.cfg.ReconnectMax/2+1)
		if r.wildcard != "" && end.reason != unauthorized {
			// Nobody has asked for this resource by its name, and there may be many
			// that are refused for ever.
			delay <<= min(r.attempts, patience)
		}
	case missing, overlapping, unclear, incomplete:
		state, r.refresh = member.Waiting, true
		delay = r.cfg.missingRetry + rand.N(r.cfg.missingRetry/2)
	case tooMany:
		state = member.Waiting
		r.lookLater(time.Now())
		delay = time.Until(r.shortage.due)
	case renewed:
		if !again {
			return // for the session that replaced it
		}
		delay = r.backoff.NextBackOff()
	case requested:
		return // for the snapshot
	case noMemory:
		if errors.Is(end.err, wire.ErrShort) {
			return // to wait for that
		}
		delay = r.backoff.NextBackOff()
	case closed, expired, silent, quiet:
		if end.lasted {
			return
		}
		delay = r.backoff.NextBackOff()
	default:
		delay = r.backoff.NextBackOff()
	}
	r.attempts++
	delay = max(delay, end.after)
	r.schedule(state, end.reason.String(), r.attempts, delay)

	r.now.wait(ctx, delay, r.cfg.ReconnectMin, func(left time.Duration) {
		r.schedule(state, end.reason.String(), r.attempts, left)
	}, changed, r.roomMade)
}

// setStale reports the stream as stale, setFresh as fresh again.
func (r *reader) setStale() {
	if !r.stale {
		r.stale = true
		r.conn.SetStale(r.name, true)
	}
	r.setState(member.Stale, silent.String())
}

func (r *reader) setFresh() {
	if r.stale {
		r.stale = false
		r.conn.SetStale(r.name, false)
	}
}
