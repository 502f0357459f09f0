package member

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
)

// State is where a member, its caches or one of its streams stand.
type State string

// The states. A connection is never Syncing. Caches are never Waiting or Paused: they
// are BackingOff instead.
const (
	Connecting State = "connecting"  // never reached yet, or dialing after a new configuration
	Syncing    State = "syncing"     // a snapshot is under way
	Live       State = "live"        // answering, and frames are fresh
	Stale      State = "stale"       // connected, but silent for longer than it may be
	BackingOff State = "backing off" // failing; the next attempt is scheduled
	Waiting    State = "waiting"     // for something that only the member's owner can change, such as credentials
	Paused     State = "paused"      // by the operator
	Gone       State = "gone"        // removed from the fleet
)

// Session is one configuration of a member that answered: what its streams
// dial with. A session is immutable; when credentials, address or the
// cluster's identity change, Changed is closed and a new session takes over.
type Session struct {
	Cluster string // the member's name in the fleet
	UID     string // UID of its kube-system namespace, or a digest where that could never be read
	Digest  string // of server URL and CA
	// Others are the UIDs, or digests, of other clusters that have borne the name
	// and are known not to be this one.
	Others []string
	// DefaultUID and ServiceUID are those of the namespace default and of the
	// Service kubernetes in it. They are read only where the UID cannot be.
	DefaultUID, ServiceUID string
	// Watches is for requests whose body stays open: no overall timeout, one
	// HTTP/1.1 connection each. Calls is for everything else and has a
	// timeout. Both share the member's request limiter. An answer that succeeds
	// may go on without end: read it in pieces, each of which has a bound.
	Watches rest.Interface
	Calls   rest.Interface
	// Discovery goes through Calls, within bounds of its own. It repeats nothing
	// by itself.
	Discovery discovery.DiscoveryInterface
	// Redact returns the text of an error fit to be shown: on one line, without
	// the credentials of this session, whoever sent them back.
	Redact func(error) string
	// What Watches and Calls are made of, for users that bring their own
	// clients. The transports add the member's credentials to every request,
	// whatever its address, so use them for Server only. They know neither the
	// limiter nor a timeout for a whole call, but what they return may be read
	// whole: an answer that is too large ends with a TooMuchError.
	Server         *url.URL
	WatchTransport http.RoundTripper
	CallTransport  http.RoundTripper
	Limiter        flowcontrol.RateLimiter
	// Changed is closed when this session must no longer be used.
	Changed <-chan struct{}
	// OnChange has f called then, in a goroutine of its own, unless ignore is
	// called before. To wait so takes no goroutine.
	OnChange func(f func()) (ignore func() bool)
}

// Validity returns a session's Changed and OnChange, and end, which closes Changed. All
// may be called by any goroutine; end may be called more than once.
func Validity() (changed <-chan struct{}, onChange func(f func()) (ignore func() bool), end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	return ctx.Done(), func(f func()) func() bool { return context.AfterFunc(ctx, f) }, cancel
}

// Link is a connection at one moment. Its Changed is closed when it is out of date.
type Link struct {
	State  State
	Reason string    // in a few words; empty when live
	Since  time.Time // when State became what it is
	// LastError is the text of the newest failure, without credentials.
	LastError string
	// Session is what to dial with, nil while nobody should.
	Session *Session
	// Suspect says that a call failed and a probe is finding out whether the
	// server is there. Requests under way may go on; new ones had better wait.
	Suspect bool
	// Changed is closed when this is out of date.
	Changed <-chan struct{}
}
