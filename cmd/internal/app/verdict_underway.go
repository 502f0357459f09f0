package app

import (
	"fmt"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// onItsWay says what a state that is observed and not accepted waits for.
func (f *facts) onItsWay() api.Verdict {
	r := &f.route
	v := api.Verdict{ResourceVersion: r.PendingVersion, Since: r.PendingSince}
	what := "Version " + r.PendingVersion
	if r.PendingDeletion {
		what = "Its deletion"
	}
	down := func() bool { return f.sinkDown(&v, what) }
	switch p := f.place; {
	case f.heldByLedger(&v, what):
	case f.queued && p.InWork:
		if !down() {
			f.inFlight(&v, what)
		}
	case f.queued && p.Waits && f.refused && (p.Delay > 0 || p.Token == 0 && !f.routeLimited() && f.refusedIs(r.PendingVersion)):
		if down() {
			break
		}
		if !f.refusedIs(r.PendingVersion) {
			what = what + " waits for the next try, since version " + f.refusal.ResourceVersion
		}
		v.Reason, v.Times, v.Error, v.Since = api.ReasonSinkRefusing, f.refusal.Times, f.refusal.Reason, f.refusal.Since
		next := ""
		if p.Delay > 0 {
			v.NextTry = f.now.Add(p.Delay)
			next = f.next(v.NextTry)
		}
		v.Message = fmt.Sprintf("%s was refused by the sink for the %s time%s: %s.", what, ordinal(v.Times), next, stop(v.Error))
	case f.queued && p.Waits && p.Delay == 0 && f.routeLimited() && f.tokenOf(f.total, f.ofRoute.Rate()) >= f.tokenOf(p.Token, f.rate):
		if !down() {
			f.limited(&v, what)
		}
	case f.queued && p.Token > 0 && f.rate > 0:
		if down() {
			break
		}
		v.Reason = api.ReasonThrottled
		if p.Ahead >= mostAhead {
			v.Message = fmt.Sprintf("%s is %s and waits for a token of %s.", what, f.inLine(&v), f.clusterRate())
			break
		}
		wait := f.tokenOf(p.Token, f.rate)
		v.NextTry = f.now.Add(wait)
		v.Message = fmt.Sprintf("%s is %s and waits for a token of %s, for %s.",
			what, f.inLine(&v), f.clusterRate(), about(wait))
	case f.queued && p.Waits:
		line := f.inLine(&v)
		if down() {
			break
		}
		v.Reason = api.ReasonWaiting
		v.Message = fmt.Sprintf("%s is %s, and has waited for %s.", what, line, ago(f.now, r.PendingSince))
	default: // it is between the stream and the lane
		if down() {
			break
		}
		v.Reason = api.ReasonWaiting
		v.Message = fmt.Sprintf("%s has been read, %s ago, and is about to come to its lane, or has just left it.", what, ago(f.now, r.PendingSince))
		switch {
		case p.Blocked:
			v.Reason = api.ReasonLaneFull
			v.Message = fmt.Sprintf("%s has been read and waits for room in its lane, for %s.", what, ago(f.now, r.PendingSince))
			if f.routeLimited() {
				v.Reason = api.ReasonLimited
				v.Message = fmt.Sprintf("%s has been read and waits for room in its lane, for %s: that is throttled by %s.", what, ago(f.now, r.PendingSince), limitOf(f.ofRoute))
			}
		case f.streamLimited(): // a deletion that a snapshot has found
			v.Reason = api.ReasonLimited
			v.Message = fmt.Sprintf("%s is known, and is throttled, for %s, by %s.", what, ago(f.now, r.PendingSince), limitOf(f.ofStream))
		}
		if !f.status.InStep {
			v.Reason = api.ReasonBehind
			v.Message = fmt.Sprintf("%s is read again by the route itself, which has been behind for %s (%s).", what, ago(f.now, f.status.Since), f.status.Why)
		}
	}
	return v
}

// sinkDown says so while the sink fails as a whole.
func (f *facts) sinkDown(v *api.Verdict, what string) bool {
	if f.sink.Healthy {
		return false
	}
	v.Reason, v.Since, v.Times, v.Error, v.NextTry = api.ReasonSinkDown, f.sink.Since, f.sink.Attempts, f.sink.LastError, f.sink.NextRetry
	v.Message = fmt.Sprintf("%s waits for the sink, which has failed for %s%s: %s.", what, ago(f.now, f.sink.Since), f.next(f.sink.NextRetry), stop(f.sink.LastError))
	return true
}

// heldByLedger says so while the ledger is not written, of all but what was refused.
func (f *facts) heldByLedger(v *api.Verdict, what string) bool {
	if f.refused || f.ledger.Healthy && f.cluster.Healthy {
		return false
	}
	v.Reason, v.Since, v.Error, v.Times = api.ReasonHeldByLedger, f.ledger.Since, f.ledger.LastError, f.ledger.Attempts
	if f.ledger.Healthy {
		v.Since, v.Error, v.Times = f.cluster.Since, f.cluster.LastError, f.cluster.Attempts
	}
	v.Message = fmt.Sprintf("%s waits for the ledger, which has not been written for %s: %s.", what, ago(f.now, v.Since), stop(v.Error))
	return true
}

// mostAhead is how far queue.Place.Ahead counts.
const mostAhead = 4096

// inLine says where in its lane the change is.
func (f *facts) inLine(v *api.Verdict) string {
	p := &f.place
	v.Ahead, v.Line, v.Snapshot = new(p.Ahead), p.Line, p.Snapshot
	line := "in its lane"
	if p.Snapshot {
		line = "among the snapshot's changes in its lane"
	}
	if p.Ahead >= mostAhead {
		return fmt.Sprintf("behind at least %d of %d %s", mostAhead, p.Line, line)
	}
	return fmt.Sprintf("the %s of %d %s", ordinal(p.Ahead+1), p.Line, line)
}

// refusedIs reports whether a version is what the sink has refused.
func (f *facts) refusedIs(version string) bool {
	return f.refused && f.refusal.ResourceVersion == version
}

// inFlight says so of a change, or of an older state of the object that it waits for.
func (f *facts) inFlight(v *api.Verdict, what string) {
	p := &f.place
	v.Reason = api.ReasonInFlight
	answered := "has not answered yet"
	if v.Since = (time.Time{}); p.WorkedFor > 0 {
		v.Since = f.now.Add(-p.WorkedFor)
		answered = "has not answered for " + about(p.WorkedFor)
	}
	switch {
	case p.Waits:
		v.Message = fmt.Sprintf("%s waits for an older state, which has been handed to the sink, which %s.", what, answered)
	case f.refusedIs(v.ResourceVersion):
		v.Times, v.Error = f.refusal.Times, f.refusal.Reason
		v.Message = fmt.Sprintf("%s has been handed to the sink again, which %s and has refused it %d times: %s.", what, answered, v.Times, stop(v.Error))
	default:
		v.Message = fmt.Sprintf("%s has been handed to the sink, which %s.", what, answered)
	}
}
