package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// reason says why a connection of a stream ended or was not made.
type reason uint8

const (
	closed       reason = iota // the server ended the watch, as it does every few minutes
	expired                    // 410: the version is no longer kept
	tooNew                     // the server does not know the version yet
	backwards                  // versions went backwards: the cluster was restored
	unauthorized               // 401
	forbidden                  // 403
	missing                    // 404, or not in discovery
	overlapping                // another stream follows the same objects
	unclear                    // the name may mean one of several
	incomplete                 // not in discovery, which some groups are missing from
	throttled                  // 429
	unavailable                // 5xx, or something in front of the API server answers
	rejected                   // the API server does not take what it is asked
	network                    // no answer, or the connection broke
	malformed                  // not what an API server sends
	silent                     // no frame for too long, although there should have been one
	quiet                      // the same of a watch that promised none
	overdue                    // the snapshot took too long
	renewed                    // the session changed
	requested                  // for a snapshot that was asked for
	noMemory                   // a large object is to be read once there is memory for it, or comes too slowly to hold that
	tooMany                    // there is no room in the ledger, and the snapshot does not end
	limited                    // a list broke off that had waited for tokens for most of the time
	numReasons
)

var reasonNames = [numReasons]string{
	"closed", "expired", "too_new", "backwards", "unauthorized", "forbidden", "missing", "overlapping", "ambiguous", "incomplete", "throttled",
	"unavailable", "rejected", "network", "malformed", "silent", "quiet", "overdue", "session_changed", "snapshot_requested",
	"no_memory", "too_many_objects", "limited",
}

func (r reason) String() string { return reasonNames[r] }

// Why a watchdog cuts connections. They are the causes of its context.
var (
	errSilent  = errors.New("no frame for too long")
	errNoReply = fmt.Errorf("no reply in time: %w", context.DeadlineExceeded) // so that the connection grows suspicious
	errOverdue = errors.New("the snapshot did not end in time")
	errStalled = errors.New("a large object comes so slowly that others would wait for its memory; it is read again later")
	errRenewed = errors.New("the member's configuration changed")

	errRequested = errors.New("a snapshot was asked for")
)

// Other reasons to give up a connection.
var (
	errBackwards = errors.New("the server's versions went backwards; it may have been restored from a backup")
	errTooLarge  = errors.New("an object is larger than 16 MiB and its metadata are not at the start")
	errClaimed   = errors.New("another stream follows the same objects")
	errNoVersion = errors.New("the server ended the list without a resourceVersion")
	errLimited   = errors.New("the list has waited for tokens of a limit of the resource, perhaps longer than the server, or what is in front of it, keeps one open, and broke off")

	errNotPortable = errors.New("it is not UTF-8, or holds what common JSON decoders refuse: half of a surrogate pair, a number beyond float64, nesting beyond 99")
)

// classify tells the reason for the end of a connection made under ctx, and
// how long the server asked to be left alone.
func classify(ctx context.Context, err error) (r reason, after time.Duration) {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errSilent):
		return silent, 0
	case errors.Is(cause, errNoReply):
		return network, 0
	case errors.Is(cause, errOverdue):
		return overdue, 0
	case errors.Is(cause, errStalled):
		return noMemory, 0
	case errors.Is(cause, errRenewed):
		return renewed, 0
	case errors.Is(cause, errRequested):
		return requested, 0
	}
	switch {
	case err == nil:
		return closed, 0
	case errors.Is(err, errRequested):
		return requested, 0
	case errors.Is(err, wire.ErrShort):
		return noMemory, 0
	case errors.Is(err, errLimited):
		return limited, 0
	case errors.Is(err, errBackwards):
		return backwards, 0
	case errors.Is(err, wire.ErrMalformed), errors.Is(err, wire.ErrNotJSON), errors.Is(err, errTooLarge), errors.Is(err, errNoVersion), errors.Is(err, errNames):
		return malformed, 0
	case tooMuch(err):
		return malformed, 0
	case errors.Is(err, errNoResource):
		return missing, 0
	case errors.Is(err, errClaimed):
		return overlapping, 0
	case errors.Is(err, errAmbiguous):
		return unclear, 0
	case errors.Is(err, errIncomplete):
		return incomplete, 0
	}
	answer := apistatus.Of(err)
	if answer.Meaning == apistatus.NotFound && errors.Is(err, errDiscovery) {
		// Whatever answers there, it is no API server that is well.
		return unavailable, answer.RetryAfter
	}
	return answerReasons[answer.Meaning], answer.RetryAfter
}

// answerReasons is what an answer of a server is a reason for; that there is none
// tells of the network.
var answerReasons = [apistatus.NumMeanings]reason{
	apistatus.None:         network,
	apistatus.TooNew:       tooNew,
	apistatus.Expired:      expired,
	apistatus.Unauthorized: unauthorized,
	apistatus.Forbidden:    forbidden,
	apistatus.NotFound:     missing,
	apistatus.Throttled:    throttled,
	apistatus.Unavailable:  unavailable,
	apistatus.Failing:      unavailable,
	apistatus.Foreign:      unavailable,
	apistatus.Rejected:     rejected,
}

func tooMuch(err error) bool {
	_, ok := errors.AsType[*member.TooMuchError](err)
	return ok
}

// statusCode returns the HTTP status that err stands for, if it is the answer of
// a server.
func statusCode(err error) (code int, ok bool) {
	answer := apistatus.Of(err)
	return answer.Code, answer.Meaning != apistatus.None
}

// answered returns what a call reports to the member's connection: nil if the server
// itself answered, or it was us who were slow.
func answered(err error) error {
	for _, told := range []error{errNoResource, errNames, errClaimed, errAmbiguous, errIncomplete, errLimited} {
		if errors.Is(err, told) {
			return nil
		}
	}
	if meaning := apistatus.Of(err).Meaning; meaning == apistatus.None || meaning.Doubtful() {
		return err
	}
	return nil
}

// notServed reports whether a server answered a streaming list with something
// that does not say what is wrong with the request, the rights or the moment: it
// may not be able to serve streaming lists. client-go's Reflector falls back to
// pages on the same, and API servers count on that: one whose etcd is too old
// answers 200 and an ERROR frame with code 500.
func notServed(err error) bool {
	switch apistatus.Of(err).Meaning {
	case apistatus.None, apistatus.Unauthorized, apistatus.Forbidden, apistatus.Expired, apistatus.Throttled:
		return false
	}
	return true
}

// snapshotReason is why a snapshot was taken.
type snapshotReason uint8

const (
	noResume    snapshotReason = iota // nothing to resume from
	resumeLost                        // the resume point has expired
	rewound                           // the cluster was restored
	notYetKnown                       // the resume point lies in the cluster's future
	roomMade                          // there may be room for what was left out
	audited                           // an audit found differences
	replayed                          // an operator wants everything again
	numSnapshotReasons
)

var snapshotReasonNames = [numSnapshotReasons]string{"no_resume_point", "expired", "backwards", "too_new", "room", "audit", "replay"}

// replacedCluster is why a stream does not even begin with a snapshot yet.
const replacedCluster = "cluster_replaced"

func (c snapshotReason) String() string { return snapshotReasonNames[c] }

// rejection is why a frame was not handed on.
type rejection uint8

const (
	notJSON rejection = iota
	oversized
	unknownType
	noIdentity
	noBookmarkVersion
	ambiguous   // decoders would not agree about what it is
	foreign     // of another kind, version or namespace than was asked for
	notPortable // not every decoder could read it
	overBound   // there is no room for it in the ledger
	numRejections
)

var rejectionNames = [numRejections]string{"not_json", "oversized", "unknown_type", "no_identity", "bookmark_without_version",
	"ambiguous", "foreign", "not_portable", "too_many_objects"}

func (r rejection) String() string { return rejectionNames[r] }
