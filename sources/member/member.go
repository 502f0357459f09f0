package member

import "github.com/fairlead-dev/fairlead/internal/member"

// State is where a member, its caches or one of its streams stand.
type State = member.State

// The states. A connection is never Syncing. Caches are never Waiting or Paused: they
// are BackingOff instead.
const (
	Connecting = member.Connecting // never reached yet, or dialing after a new configuration
	Syncing    = member.Syncing    // reached; first lists or a snapshot are under way
	Live       = member.Live       // it answers, and watches are fresh
	Stale      = member.Stale      // connected, but silent for longer than it may be
	BackingOff = member.BackingOff // failing; the next attempt is scheduled
	Waiting    = member.Waiting    // for something that only the member's owner can change, such as credentials
	Paused     = member.Paused     // by the operator
	Gone       = member.Gone       // removed from the fleet
)

// Link is a connection at one moment. Its Changed is closed when it is out of date.
type Link = member.Link

// Session is one configuration of a member that has answered, with the clients and
// transports to dial with. It never changes: when credentials, the address or the
// cluster's identity do, Changed is closed and another session takes over.
type Session = member.Session

// TooMuchError says that an answer of a member was larger than ConnectionConfig.MaxAnswer
// allows. What was read of the answer has been dropped. Find it with errors.As.
type TooMuchError = member.TooMuchError
