package stream

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// attempt is one go at following the target: with what the cursors remember,
// or with a snapshot first. It ends with its last watch.
type attempt struct {
	*reader
	session  *member.Session
	watchdog *watchdog
	running  context.Context //nolint:containedctx // until it is to stop, beside the one that ends when it is cut

	discovered bool // the target was discovered in this attempt
	// throttleRefused waits until another state that is left out may be read.
	throttleRefused func() error

	waited    time.Duration // for tokens
	liveSince time.Time     // zero: not live
	ends      time.Time     // when the server is to end the watch, at the soonest; zero: any time
	newest    uint64        // highest version seen in the watch, if versions are numbers
	scanner   wire.Scanner
	routed    []routed // kept for its memory
	loans     []loan   // what there is for the frame that is being read; likewise
}

// fatalError is one that ends the stream.
type fatalError struct{ error }

// tooNewAttempts is how often a watch may be refused because the server does
// not know the version yet, before that is taken for the loss of its history
// although the server does not tell what version it has.
const tooNewAttempts = 3

func (r *reader) attempt(ctx context.Context, session *member.Session) outcome {
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r.requests.attempting(stop)
	defer r.requests.attempting(nil)
	cut, cancel := context.WithCancelCause(running)
	a := &attempt{
		reader: r, session: session,
		watchdog: newWatchdog(cancel, r.cfg, r.contended),
		running:  running,
	}
	a.throttleRefused = func() error { return r.shortage.pace.Wait(cut) }
	stopWatchdog := a.watchdog.watch(session)
	r.spill.Room = a
	defer r.spill.End()
	err := a.follow(cut)

	var end outcome
	end.reason, end.after = classify(cut, err)
	end.err = err
	switch why := context.Cause(cut); {
	case end.reason == renewed || end.reason == requested:
		end.err = nil // nothing went wrong
	case why != nil:
		end.err = why
	}
	if !errors.Is(end.err, wire.ErrShort) {
		r.spill.Expected = 0 // what is read next may be another frame
	}
	if fatal, ok := errors.AsType[fatalError](err); ok {
		end.fatal = fatal.error
	}
	code, _ := statusCode(err)
	end.moved = code == http.StatusNotFound && !a.discovered && end.reason != renewed && end.reason != requested
	if end.reason == overdue && r.shortage.open {
		end.reason, end.err = tooMany, errNoRoom
	}
	end.lasted = !a.liveSince.IsZero() && time.Since(a.liveSince) >= liveFor
	r.recheck = r.recheck || !a.liveSince.IsZero()
	a.judge(&end)
	a.listing = false
	r.requests.notWatching()
	r.watchesNothing(false)
	cancel(nil)
	stopWatchdog()
	return end
}

// judge keeps of the end of an attempt what the next one needs to know.
func (a *attempt) judge(end *outcome) {
	a.refused = end.reason == rejected || end.reason == forbidden
	if code, _ := statusCode(end.err); code == http.StatusNotFound {
		a.refresh = true // whoever answers so, discovery knows better
	}
	switch {
	case errors.Is(end.err, errStalled):
		end.lasted = false // or there would be no backoff
	case end.reason == closed && !a.ends.IsZero() && !time.Now().Before(a.ends):
		// The end that was asked for is a sign of life, see watchFor.
		end.lasted = true
		a.touch(time.Now())
	case end.reason == silent && a.ends.IsZero() && !a.liveSince.IsZero() && !a.bookmarks:
		end.reason, end.err, end.lasted = quiet, nil, true
	case end.reason == silent:
		a.bookmarks = false
		a.setStale()
	}
}

func (a *attempt) follow(ctx context.Context) error {
	if n := a.relabelled.Load(); a.labelled != n {
		a.labelled, a.refresh = n, true // rules may read the labels
	}
	if a.target != nil && a.recheck && !a.refresh {
		a.refresh = a.hasMoved(ctx)
	}
	a.watchdog.enter(opening)
	a.discovered = a.target == nil || a.refresh
	t, err := a.resolveTarget(ctx, a.session)
	if gone, ok := errors.AsType[*goneError](err); ok {
		return a.isGone(ctx, t, gone)
	}
	if err != nil {
		a.report(ctx, err)
		return err
	}
	if is, _ := a.isPaused(Stopped); is {
		return errRequested // it is known only now of what it is, or it was paused before the attempt began
	}
	if err := a.retire(ctx); err != nil {
		return err
	}
	a.lookForRoom(time.Now())
	a.requests.parted()
	if from, ok := a.start(); ok && !a.requests.any() && a.knowsShortage() {
		err := a.checkResumable(ctx, from)
		if err == nil {
			err = a.watch(ctx, from)
		}
		why, _ := classify(ctx, err)
		switch {
		case why == expired && a.leaveExpired(from):
			return err
		case why == expired:
			a.snapshotReason = resumeLost
		case why == backwards:
			a.snapshotReason = rewound
		case why == tooNew:
			if back, cannot := a.historyRewound(ctx, from); !back && (cannot == nil || a.attempts < tooNewAttempts) {
				return err
			}
			a.snapshotReason = notYetKnown
		default:
			return err
		}
		a.progress.reconnects[why].Add(1)
		a.recordError(err)
	}
	return a.snapshot(ctx)
}

// report reports the result of a call, made under ctx, to the connection.
func (a *attempt) report(ctx context.Context, err error) {
	if err == nil {
		a.conn.Report(a.session, nil)
		return
	}
	switch why := context.Cause(ctx); {
	case why == nil:
		a.conn.Report(a.session, answered(err))
	case errors.Is(why, errNoReply):
		a.conn.Report(a.session, errNoReply)
	}
}

// broken reports, and returns, with what the body of an answer failed. If it was cut, a probe
// finds out at once whether the member is away. The next request might hang for long, also
// when it is back.
func (a *attempt) broken(ctx context.Context, err error) error {
	a.report(ctx, err)
	return err
}

// call sends a request and returns the body of the answer.
func (a *attempt) call(ctx context.Context, r *rest.Request) (io.ReadCloser, error) {
	a.watchdog.enter(opening)
	body, err := r.Stream(ctx)
	a.report(ctx, err)
	a.watchdog.enter(reading)
	return body, err
}

// watch follows the resource from a version on, until the watch ends.
func (a *attempt) watch(ctx context.Context, from string) error {
	seconds := a.watchFor()
	a.ends = time.Now().Add(time.Duration(seconds) * time.Second)
	body, err := a.call(ctx, a.watchRequest(a.session, seconds).Param("resourceVersion", from))
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	if err := a.setLive(from); err != nil {
		return err
	}
	return a.read(ctx, body, false)
}

// watchFor returns for how many seconds to ask for a watch. As client-go's
// Reflector does: five to ten minutes, so that the load spreads again over a
// control plane that has got a new server.
//
// But there are resources without bookmarks: events, which API servers do not
// cache, and all where the watch cache is off. A watch of those may be silent
// because there is nothing to tell, and that cannot be told from one that hangs,
// behind a proxy that has answered and passes nothing on. So until there is a
// bookmark, the server is asked to end the watch before its silence would be too
// long. That it does, on this very way, is the sign of life.
func (a *attempt) watchFor() int64 {
	spread := 5 * time.Minute
	most := 2 * spread
	if !a.bookmarks {
		most = min(most, a.cfg.StaleAfter*3/4)
		spread = most / 3
	}
	return max(1, int64((most-rand.N(spread+1))/time.Second))
}

// setLive marks the watch as up to date: from the version on, it shows every change. It
// fails if another snapshot has been asked for meanwhile, or other labels read by rules.
func (a *attempt) setLive(from string) error {
	if err := a.requests.watching(a.watchdog.cancel); err != nil {
		return err
	}
	if a.relabelled.Load() != a.labelled {
		return errRequested // who relabelled it meanwhile has cut no watch
	}
	a.liveSince = time.Now()
	a.listing = false
	a.newest = number(from)
	a.standing.mu.Lock()
	a.standing.attempt = 0
	a.standing.mu.Unlock()
	a.watches(from)
	if !a.shortage.open {
		a.auditor.follow(a.session, a.target, a.newest)
	}
	a.setFollowing()
	if a.join() {
		return fatalError{errJoined}
	}
	a.reopenOthers()
	return nil
}

// touch records that the server sent something.
func (a *attempt) touch(now time.Time) {
	a.watchdog.frame(now)
	a.progress.lastFrame.set(now)
	if a.stale {
		a.setFresh()
		if !a.liveSince.IsZero() {
			a.setFollowing()
		}
	}
}
