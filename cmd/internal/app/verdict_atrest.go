package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// atRest says why nothing of the object is on its way.
func (f *facts) atRest() api.Verdict {
	r, m := &f.route, f.found
	v := api.Verdict{ResourceVersion: m.ResourceVersion}
	st, conn := &m.Stream, &m.Connection
	switch {
	case conn.State != member.Live && conn.State != member.Stale:
		return f.unreached("")
	case !st.Connected() && st.Reason == "limited" && f.ofStream.Rate() > 0:
		v.Reason, v.Since, v.Error, v.NextTry, v.Times = api.ReasonLimited, st.Since, st.LastError, st.NextRetry, st.Attempt
		v.Message = fmt.Sprintf("The stream is throttled by %s%s: %s.", limitOf(f.ofStream), f.next(v.NextTry), stop(v.Error))
		return v
	case !st.Connected():
		v.Reason, v.Since, v.Error, v.NextTry, v.Times = api.ReasonStreamDown, st.Since, st.LastError, st.NextRetry, st.Attempt
		f.isDown(&v, "The stream "+st.Stream, string(st.State), st.Reason)
		return v
	}
	switch {
	case !m.Asked:
		v.Reason, v.Error = api.ReasonUnknown, m.Error
		v.Message = fmt.Sprintf("Nothing of it waits, and the cluster could not be asked what it has: %s.", stop(m.Error))
		if r.AckedVersion != "" {
			v.ResourceVersion = r.AckedVersion
			v.Message = strings.TrimSuffix(v.Message, ".") + "; the sink has accepted version " + r.AckedVersion + "."
		}
	case !m.Exists:
		f.gone(&v)
	case len(r.Unmet) > 0: // which the API server may have been asked to select by
		f.filtered(&v, "this is false for it: "+strings.Join(r.Unmet, "; "))
	case m.Selector != "":
		f.filtered(&v, "the API server is asked for "+m.Selector+" only")
	case f.deadLettered(&v):
	case r.Has && r.Due:
		v.Reason = api.ReasonDeliverAgain
		v.Message = "The sink has version " + m.ResourceVersion + ", which is to be delivered once more."
		if f.streamLimited() {
			v.Message = "The sink has version " + m.ResourceVersion + ", which is to be delivered once more. The stream is throttled by " + limitOf(f.ofStream) + "."
		}
	case r.Has:
		f.delivered(&v)
	case r.Unchanged:
		v.Reason = api.ReasonUnchanged
		v.Message = fmt.Sprintf("Version %s differs from version %s, which the sink has, in no field that counts.", m.ResourceVersion, r.AckedVersion)
	case !f.status.InStep:
		v.Reason, v.Since = api.ReasonBehind, f.status.Since
		v.Message = fmt.Sprintf("The route has been behind for %s (%s) and has not come to version %s.", ago(f.now, v.Since), f.status.Why, m.ResourceVersion)
	case !r.Known && (r.Partial || st.Missing > 0):
		v.Reason = api.ReasonLedgerFull
		v.Message = fmt.Sprintf("The ledger has no room for it: %d objects of the cluster's at least are left out; raise --max-objects or --max-ledger-bytes.", max(st.Missing, 1))
	case f.streamLimited():
		f.notSeen(&v, "version "+m.ResourceVersion)
	case st.State == member.Syncing || r.Position == "":
		v.Reason, v.Since = api.ReasonNotYetSeen, st.Since
		v.Message = fmt.Sprintf("The stream reads a snapshot, which has not come to version %s.", m.ResourceVersion)
	default:
		f.notSeen(&v, "version "+m.ResourceVersion)
	}
	return v
}

// unreached says why the cluster cannot be asked anything.
func (f *facts) unreached(why string) (v api.Verdict) {
	conn := &f.found.Connection
	v.Reason, v.Since, v.Error, v.NextTry, v.Times = api.ReasonStreamDown, conn.Since, conn.LastError, conn.NextRetry, conn.Attempt
	if conn.State == member.Live {
		v.Reason, v.Message = api.ReasonUnknown, "The cluster has not said yet what wildcards stand for; ask again."
		if why != "" && why != sources.ErrNotSurveyed.Error() {
			v.Message = "The cluster could not be asked which resource that is: " + stop(why) + "."
		}
		return v
	}
	f.isDown(&v, "The cluster", string(conn.State), conn.Reason)
	return v
}

// unnamed is unreached for a resource that no --watch names: it may be another name of one that
// is, or a wildcard may stand for it.
func (f *facts) unnamed(why string) api.Verdict {
	v := f.unreached(why)
	if v.Reason == api.ReasonStreamDown && f.found.Survey == nil {
		v.Message += fmt.Sprintf(" No --watch names %s: whether one means it by another name, the cluster tells once it answers.", f.found.Resource)
	}
	return v
}

// isDown says of a connection or a stream how long it has been down, why, and what is next.
func (f *facts) isDown(v *api.Verdict, what, state, reason string) {
	if reason != "" {
		state += ", " + reason
	}
	v.Message = fmt.Sprintf("%s has not been live for %s (%s)%s", what, ago(f.now, v.Since), state, f.next(v.NextTry))
	if v.Error != "" {
		v.Message += ": " + stop(v.Error)
	}
	v.Message += "."
}

func (f *facts) delivered(v *api.Verdict) {
	v.Reason, v.Delivered = api.ReasonDelivered, f.last()
	v.Message = "The sink has version " + v.ResourceVersion + ", which is what the cluster has."
	if is := f.route.AckedVersion; is != "" && is != v.ResourceVersion {
		v.ResourceVersion = is
		v.Message = "The sink has version " + is + ", which is newer than what the cluster answered a moment ago."
	}
	if d := v.Delivered; d != nil && d.ResourceVersion == v.ResourceVersion {
		v.Message = fmt.Sprintf("Delivered %s ago, %s after it was read, as %s.", ago(f.now, d.At), about(time.Duration(d.LagSeconds*float64(time.Second))), d.ID)
	}
}

func (f *facts) filtered(v *api.Verdict, why string) {
	v.Reason = api.ReasonFiltered
	v.Message = "It is not selected: " + why + "."
	if f.route.Known {
		v.Message = "It is not selected any more, and the sink gets a deletion once the stream has read that: " + why + "."
	}
}

// gone says what became of an object that the cluster does not have.
func (f *facts) gone(v *api.Verdict) {
	if f.route.Known {
		f.notSeen(v, "its deletion")
		return
	}
	if f.deadLettered(v) {
		return
	}
	v.Reason, v.ResourceVersion = api.ReasonNotThere, f.route.Gone
	v.Message = "The cluster has no such object, and the sink holds none."
	if v.Delivered = f.last(); v.Delivered != nil && v.Delivered.Op == "deleted" {
		v.Message = fmt.Sprintf("The cluster has no such object; its deletion was delivered %s ago.", ago(f.now, v.Delivered.At))
	}
}

func (f *facts) notSeen(v *api.Verdict, what string) {
	st := &f.found.Stream
	if f.route.Reached && !st.LastRejected.IsZero() {
		v.Reason, v.Since, v.Error = api.ReasonRejected, st.LastRejected, st.LastError
		v.Message = fmt.Sprintf("The stream has come past %s, and rejects what it cannot read: %s.", what, stop(v.Error))
		return
	}
	if f.streamLimited() {
		if !f.sinkDown(v, "The stream has not read "+what+": it") {
			v.Reason, v.Since = api.ReasonLimited, st.LimitedSince
			v.Message = fmt.Sprintf("The stream has not read %s: it is throttled by %s.", what, limitOf(f.ofStream))
		}
		return
	}
	if since := f.route.BlockedSince; !since.IsZero() && f.lane.BlockedOffers > 0 { // so that nothing is read
		switch {
		case f.sinkDown(v, "The lane of the cluster is full, so that the stream has not read "+what+": it"):
		case f.routeLimited():
			v.Reason, v.Since = api.ReasonLimited, since
			v.Message = fmt.Sprintf("The stream waits for room in its cluster's lane, and has not read %s: the lane is throttled by %s.", what, limitOf(f.ofRoute))
		default:
			v.Reason, v.Since = api.ReasonLaneFull, since
			v.Message = fmt.Sprintf("The stream waits for room in its cluster's lane, where %d changes wait, and has not read %s.", f.lane.Live+f.lane.Snapshot, what)
		}
		return
	}
	v.Reason, v.Since = api.ReasonNotYetSeen, st.LastFrame
	v.Message = fmt.Sprintf("The stream has not read %s yet: it has come to version %s, and last heard from the cluster %s ago.",
		what, f.route.Position, ago(f.now, v.Since))
}

// deadLettered says so of the state that was settled last, if the cluster still has that or
// one that differs from it in nothing that counts; or has no object, and the deletion was.
// What is given up counts as accepted.
func (f *facts) deadLettered(v *api.Verdict) bool {
	r, m := &f.route, f.found
	version, what := r.AckedVersion, "version "+r.AckedVersion
	switch {
	case !m.Exists:
		version, what = r.Gone, "its deletion"
	case !r.Has && !r.Unchanged:
		return false
	}
	settled := f.last()
	if settled != nil && (settled.Op == "deleted") == m.Exists {
		settled = nil // of another state
	}
	if settled != nil && version != "" && settled.ResourceVersion != version {
		settled = nil
	}
	if settled != nil && !settled.DeadLettered {
		return false // also if it was sent again
	}
	var letter *deadletter.Record
	if f.letter != nil {
		is := func(l *deadletter.Record) bool {
			deletion := l.Event.Op() == pipeline.Deleted
			return deletion != m.Exists && (deletion && version == "" || l.Event.ResourceVersion == version) &&
				(deletion || l.Event.UID() == m.UID)
		}
		if l, ok := f.letter(); ok && is(&l) {
			letter = &l
		}
	}
	if settled == nil && letter == nil {
		return false
	}
	v.Reason, v.ResourceVersion, v.Delivered = api.ReasonDeadLettered, version, settled
	if letter == nil {
		v.Since = settled.At
		v.Message = fmt.Sprintf("The sink refused %s for good, %s ago, and it was put with the dead letters.", what, ago(f.now, v.Since))
		return true
	}
	v.Since, v.Error, v.Times = letter.Time, letter.Reason, letter.Attempts
	v.Message = fmt.Sprintf("The sink refused %s for good, %s ago, and it is a dead letter: %s.", what, ago(f.now, v.Since), stop(v.Error))
	return true
}
