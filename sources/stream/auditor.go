package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// An audit compares what the ledger knows with what the server has. In a
// healthy fleet they never differ; it is the alarm for what nobody foresaw,
// such as an etcd that was restored from a backup and has passed the resume
// point again before anyone has looked.
const (
	// auditAgain is how soon an audit is tried again while the stream is not
	// live, or when it was interrupted by a snapshot or a new session.
	auditAgain = time.Minute
	// auditPatience is how long an audit waits for the watch to pass its list,
	// and for changes on their way to be accepted. A server without a watch
	// cache sends bookmarks every ten minutes.
	auditPatience = 15 * time.Minute
)

// auditResult is how an audit ended.
type auditResult uint8

const (
	auditClean       auditResult = iota
	auditDiffers                 // something really differs; a snapshot repairs it
	auditUndecided               // what seemed to differ stayed in flight for too long, or was too much
	auditInterrupted             // by a snapshot, a new session or the end of the stream
	auditFailed                  // the server did not give a list
	numAuditResults
)

var auditResultNames = [numAuditResults]string{"clean", "differences", "undecided", "interrupted", "failed"}

// auditor is the part of a stream that audits concern. There is a goroutine
// only while an audit is under way.
type auditor struct {
	position atomic.Uint64         // number of the last frame seen
	current  atomic.Pointer[audit] // the audit under way, nil if there is none

	turn chan struct{} // holds one while an audit is under way: the next one waits for it

	mu      sync.Mutex
	session *member.Session // with target, what to audit; nil: the stream is not live
	target  *target
	cancel  context.CancelCauseFunc // of current; nil if there is none
	timer   *time.Timer             // for the next audit
	ended   bool
	running sync.WaitGroup
}

// Causes for an audit's end.
var (
	errSuperseded = errors.New("the audit was interrupted")
	errNotLive    = errors.New("the stream is not live")
	errUndecided  = errors.New("what seemed to differ stayed in flight for too long")
	errTooMany    = errors.New("more seemed to differ than an audit looks at, and what it looked at did not")
	errEndless    = errors.New("the list did not end in time")
	errBeyond     = errors.New("the list has far more objects than are known")
	errUnordered  = errors.New("audit: the server's resourceVersions are not numbers")
)

// startAudits lets audits begin when they are due, or asked for, until stop is called,
// which waits for those under way.
func (r *reader) startAudits(ctx context.Context) (stop func()) {
	interval := r.cfg.AuditInterval
	ctx, cancel := context.WithCancel(ctx)
	x := &r.auditor
	x.mu.Lock()
	x.ended = false
	x.mu.Unlock()
	if interval >= 0 {
		// The first one comes at any time within the interval, so that those of a
		// fleet spread; but not at once, as they would in a program that is
		// restarted again and again.
		r.scheduleAudit(ctx, interval/5+rand.N(interval))
	}
	return func() {
		cancel()
		x.mu.Lock()
		x.ended = true
		if x.timer != nil {
			x.timer.Stop()
		}
		if x.cancel != nil {
			x.cancel(errSuperseded)
		}
		x.mu.Unlock()
		x.running.Wait()
	}
}

func (r *reader) scheduleAudit(ctx context.Context, delay time.Duration) {
	x := &r.auditor
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended {
		return
	}
	x.timer = time.AfterFunc(delay, func() {
		x.mu.Lock()
		if x.ended {
			x.mu.Unlock()
			return
		}
		x.running.Add(1)
		x.mu.Unlock()
		defer x.running.Done()
		r.scheduleAudit(ctx, r.audit(ctx))
	})
}

// audit makes an audit and returns when the next one is due.
func (r *reader) audit(ctx context.Context) time.Duration {
	interval := r.cfg.AuditInterval
	soon := min(interval/10, auditAgain)
	soon += rand.N(soon + 1)
	done := r.auditOnce(ctx)

	// A list costs the server something, so none comes at once again.
	sooner := interval/10 + rand.N(interval/10+1)
	next := interval - interval/5 + rand.N(2*(interval/5)+1)
	switch {
	case !done.begun, done.result == auditInterrupted:
		return soon
	case done.result == auditFailed, errors.Is(done.err, errTooMany):
		return min(next, sooner)
	}
	return next
}

// auditOutcome is what an audit has come to.
type auditOutcome struct {
	begun       bool // it is not while the stream is not live
	result      auditResult
	differences int // that are repaired
	err         error
}

// auditOnce makes an audit, after the one that is under way.
func (r *reader) auditOnce(ctx context.Context) (done auditOutcome) {
	select {
	case r.auditor.turn <- struct{}{}:
		defer func() { <-r.auditor.turn }()
	case <-ctx.Done():
		return auditOutcome{err: context.Cause(ctx)}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	au := r.beginAudit(cancel)
	if au == nil {
		return auditOutcome{err: errNotLive}
	}
	done.begun = true
	done.differences, done.err = au.run(ctx)
	r.endAudit()
	switch err := done.err; {
	case err == nil && done.differences > 0:
		done.result = auditDiffers
	case err == nil:
		done.result = auditClean
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), errUndecided), errors.Is(err, errUndecided), errors.Is(err, errTooMany):
		done.result = auditUndecided
	case ctx.Err() != nil:
		done.result = auditInterrupted
	default:
		done.result = auditFailed
		r.recordError(err)
	}
	r.progress.audits[done.result].Add(1)
	return done
}

// beginAudit returns nil while the stream is not live.
func (r *reader) beginAudit(cancel context.CancelCauseFunc) *audit {
	x := &r.auditor
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.session == nil || x.ended {
		return nil
	}
	au := newAudit(r, x.session, x.target, cancel)
	x.cancel = cancel
	x.current.Store(au)
	return au
}

func (r *reader) endAudit() {
	x := &r.auditor
	x.mu.Lock()
	defer x.mu.Unlock()
	x.cancel = nil
	x.current.Store(nil)
}

// follow records what a watch that begins now follows, and from which version.
func (x *auditor) follow(session *member.Session, t *target, from uint64) {
	x.position.Store(from)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cancel != nil && (x.session != session || x.target != t) {
		x.cancel(errSuperseded)
	}
	x.session, x.target = session, t
}

// unfollow says that the stream begins a snapshot, which does what an audit
// could lead to.
func (x *auditor) unfollow() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.session, x.target = nil, nil
	if x.cancel != nil {
		x.cancel(errSuperseded)
	}
}

// observe records for an audit, if there is one, the state that the watch reports to the
// cursors next. The caller calls done once it has.
func (x *auditor) observe(name ledger.Name, version ledger.Version, gone bool) *auditNote {
	if au := x.current.Load(); au != nil {
		return au.observe(name, version, gone)
	}
	return nil
}

// seen records how far the watch has come.
func (x *auditor) seen(position uint64) {
	x.position.Store(position)
	if au := x.current.Load(); au != nil {
		au.seen(position)
	}
}
