// Package member holds the words that a member's connection and its users
// share, so that neither imports the other.
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

// State is where a member, or one of its streams, stands.
type State string

// The states of a connection; a stream uses the same words, and Waiting and
// Syncing besides.
const (
	Connecting State = "connecting"  // never reached yet, or dialing after a new configuration
	Syncing    State = "syncing"     // a snapshot is under way
	Live       State = "live"        // answering, and frames are fresh
	Stale      State = "stale"       // connected, but silent for longer than it may be
	BackingOff State = "backing off" // failing; the next attempt is scheduled
	Waiting    State = "waiting"     // for something only the member can change: credentials, a missing resource
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
	// timeout. Both share the member's request limiter.
	Watches rest.Interface
	Calls   rest.Interface
	// Discovery goes through Calls.
	Discovery discovery.DiscoveryInterface
	// Redact returns the text of an error fit to be shown: on one line, without
	// the credentials of this session, whoever sent them back.
	Redact func(error) string
	// What Watches and Calls are made of, for users that bring their own
	// clients. The transports add the member's credentials to every request,
	// whatever its address, so use them for Server only. They know neither the
	// limiter nor a timeout for a whole call.
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

// Validity returns a session's Changed and OnChange, and what ends it.
func Validity() (changed <-chan struct{}, onChange func(f func()) (ignore func() bool), end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	return ctx.Done(), func(f func()) func() bool { return context.AfterFunc(ctx, f) }, cancel
}

// Link is a connection at one moment.
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
