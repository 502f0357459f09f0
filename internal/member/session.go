// Package member holds the words that a member's connection and its users
// share, so that neither imports the other.
package member

import (
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
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
	UID     string // UID of its kube-system namespace, or Digest where that may not be read
	Digest  string // of server URL and CA
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
	// Changed is closed when this session must no longer be used.
	Changed <-chan struct{}
}
