package compare

import (
	"strconv"

	"github.com/fairlead-dev/fairlead/sources"
)

// State names a state of an object. The zero value: there is no object.
type State struct{ UID, Version string }

// Object is one object in three views.
type Object struct {
	Member State
	Sink   State
	// Unselected and Undecided are what the route's rules say of the member's object.
	Unselected, Undecided bool
	Ledger                sources.ComparedStanding
}

// Acked is what the sink has accepted last, as the ledger knows.
func (o *Object) Acked() State { return State{o.Ledger.AckedUID, o.Ledger.AckedVersion} }

// Verdict says how the views of an object differ.
type Verdict string

// Verdicts. The first four are no differences.
const (
	Equal    Verdict = "Equal"
	Filtered Verdict = "Filtered" // the route does not select it, and the sink does not have it
	Pending  Verdict = "Pending"  // a state is on its way to the sink
	Behind   Verdict = "Behind"   // the stream has not read as far as the list

	OnlyInMember Verdict = "OnlyInMember" // the sink does not have it
	OnlyInSink   Verdict = "OnlyInSink"   // the member does not have it, or the route does not select it
	OnlyInLedger Verdict = "OnlyInLedger" // neither has it, and the ledger takes it for accepted
	SinkOlder    Verdict = "SinkOlder"
	SinkNewer    Verdict = "SinkNewer"
	OtherUID     Verdict = "OtherUID"     // the sink has another object of that name
	OtherVersion Verdict = "OtherVersion" // and nobody can tell which one is newer
)

// Differs reports whether the verdict is a difference.
func (v Verdict) Differs() bool {
	switch v {
	case Equal, Filtered, Pending, Behind:
		return false
	}
	return true
}

// Judge compares the views.
func (o *Object) Judge() Verdict {
	l := &o.Ledger
	if l.Pending {
		return Pending
	}
	want := o.Member // what the sink should have
	switch {
	case o.Undecided && !l.Known:
		return Equal // nobody can tell what the sink should have
	case o.Undecided:
		want = o.Acked() // only who saw the change knows
	case o.Unselected:
		want = State{}
	}
	if o.Sink == want {
		switch {
		case o.Sink != (State{}) || !l.Known && !o.Unselected:
			return Equal
		case !l.Known:
			return Filtered
		case l.Reached:
			return OnlyInLedger
		}
		return Behind
	}
	if !l.Settled {
		return Behind // what it knows is what it knew once
	}
	if agrees := o.Sink == o.Acked(); agrees {
		if l.Unchanged && want != (State{}) && o.Sink.UID == want.UID {
			return Equal
		}
		if !l.Reached {
			return Behind
		}
	}
	switch {
	case o.Sink == State{}:
		return OnlyInMember
	case want == State{}:
		return OnlyInSink
	case o.Sink.UID != want.UID:
		return OtherUID
	}
	sink, sinkErr := strconv.ParseUint(o.Sink.Version, 10, 64)
	wanted, wantedErr := strconv.ParseUint(want.Version, 10, 64)
	switch {
	case sinkErr != nil || wantedErr != nil || sink == wanted:
		return OtherVersion
	case sink < wanted:
		return SinkOlder
	}
	return SinkNewer
}
