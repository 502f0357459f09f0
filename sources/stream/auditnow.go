package stream

import (
	"context"
	"errors"
)

// Audited is what an audit that was asked for has come to.
type Audited struct {
	Cluster, Stream string
	Resource        string // with its group; empty until it is discovered
	// Result is one of clean, differences, undecided, interrupted and failed; or not_live:
	// there was none.
	Result string
	// Differences are the objects that differ. A snapshot that repairs them has been asked
	// for.
	Differences int
	Error       string // why nothing can be said, fit to be shown
}

// resultNotLive is that no audit could be made.
const resultNotLive = "not_live"

// Audit compares now what the ledger knows with what the server has, in each of the
// stream's watches, after an audit that is under way. It costs the server a list in pages,
// and may wait for changes that are on their way, until ctx ends. Any goroutine may call it.
func (s *Stream) Audit(ctx context.Context) Audited {
	st := s.Status()
	a := Audited{Cluster: st.Cluster, Stream: st.Stream, Resource: st.Resource, Result: resultNotLive}
	for i, r := range s.allReaders() {
		done := r.auditNow(ctx)
		a.Differences += done.differences
		result := resultNotLive
		if done.begun {
			result = auditResultNames[done.result]
		}
		if i == 0 || done.begun && done.result != auditClean {
			a.Result = result
		}
		if done.err != nil {
			a.Error = r.brief(done.err)
		}
	}
	if a.Differences > 0 {
		a.Result = auditResultNames[auditDiffers]
	}
	return a
}

// auditNow is auditOnce for who does not end with the reader: the reader waits for it.
func (r *reader) auditNow(ctx context.Context) auditOutcome {
	x := &r.auditor
	x.mu.Lock()
	if x.ended {
		x.mu.Unlock()
		return auditOutcome{err: errNotLive}
	}
	x.running.Add(1)
	x.mu.Unlock()
	defer x.running.Done()
	done := r.auditOnce(ctx)
	if done.err == nil && done.begun || ctx.Err() == nil {
		return done
	}
	done.err = errors.Join(context.Cause(ctx), done.err)
	return done
}
