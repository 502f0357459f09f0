package api

import (
	"time"

	"github.com/fairlead-dev/fairlead/sources"
)

// Severity is how bad a finding is.
type Severity string

// The severities, the worst first.
const (
	SeverityError   Severity = "error"   // changes do not arrive, or will not for long
	SeverityWarning Severity = "warning" // they may not soon, or arrive late
	SeverityInfo    Severity = "info"    // nothing has to be done
)

// Check is what /check answers.
type Check struct {
	// Findings are what is not as it should be, the worst first.
	Findings []Finding `json:"findings"`
	// Members, Sinks and Audits are what was asked for this answer, whatever came of it.
	Members []MemberProbe `json:"members"`
	Sinks   []SinkProbe   `json:"sinks"`
	Audits  []Audit       `json:"audits,omitempty"`
	// Streams is how many streams there are.
	Streams int `json:"streams"`
	// Took is how many seconds that was.
	Took float64 `json:"tookSeconds"`
}

// Finding is one thing that is not as it should be. Texts of members and sinks are in it:
// they show no credentials, and may hold anything else.
type Finding struct {
	Code     string   `json:"code"` // such as FL1003
	Severity Severity `json:"severity"`
	// What it is about; each may be empty.
	Cluster  string    `json:"cluster,omitempty"`
	Resource string    `json:"resource,omitempty"`
	Route    string    `json:"route,omitempty"` // the sink
	Source   string    `json:"source,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Cause    string    `json:"cause"` // one sentence
	Do       string    `json:"do"`    // one sentence
	Page     string    `json:"page"`  // where more is said
}

// MemberProbe is what a cluster has said to questions that change nothing. What it was
// not asked, or has not said, is absent.
type MemberProbe struct {
	Cluster string `json:"cluster"`
	// Error is why it could not be asked.
	Error string `json:"error,omitempty"`
	// Plugin is the command that gets its credentials.
	Plugin         string       `json:"plugin,omitempty"`
	LatencySeconds float64      `json:"latencySeconds,omitempty"` // of GET /version
	SkewSeconds    *float64     `json:"skewSeconds,omitempty"`    // its clock minus this machine's
	Version        string       `json:"version,omitempty"`
	StreamingLists *bool        `json:"streamingLists,omitempty"`
	Credentials    []Credential `json:"credentials,omitempty"`
	Denied         []Denied     `json:"denied,omitempty"`
	Unserved       []Unserved   `json:"unserved,omitempty"`
}

// Credential is one by which a member and this program know each other, without itself.
type Credential struct {
	What    string    `json:"what"` // such as "the client certificate"
	Issued  time.Time `json:"issued,omitzero"`
	Expires time.Time `json:"expires"`
	// Mine: it is what the program shows. Else it is what the member shows.
	Mine bool `json:"mine"`
	// Renewed: the program reads it again when it is replaced in its place.
	Renewed bool `json:"renewed"`
}

// Denied is what a member does not allow to a stream.
type Denied struct {
	Resource  string   `json:"resource"` // with its group
	Namespace string   `json:"namespace,omitempty"`
	Verbs     []string `json:"verbs"`
	Why       string   `json:"why,omitempty"`
}

// Unserved is a resource that a member does not serve.
type Unserved struct {
	Resource string `json:"resource"` // as it is named by --watch
	Why      string `json:"why"`
}

// SinkProbe is what the check of a sink has come to.
type SinkProbe struct {
	Name    string `json:"name"`
	Checked bool   `json:"checked"`           // else its kind has no check, or it was not asked
	Unasked string `json:"unasked,omitempty"` // why it was not asked, which is no fault
	Error   string `json:"error,omitempty"`
}

// Audit is what an audit of one stream has come to.
type Audit struct {
	Cluster     string `json:"cluster"`
	Resource    string `json:"resource"`
	Result      string `json:"result"` // as sources.Audited has it
	Differences int    `json:"differences"`
	Error       string `json:"error,omitempty"`
}

// AuditOf is an Audit of what the sources tell.
func AuditOf(a sources.Audited) Audit {
	resource := a.Resource
	if resource == "" {
		resource = a.Stream
	}
	return Audit{Cluster: a.Cluster, Resource: resource, Result: a.Result, Differences: a.Differences, Error: a.Error}
}

// DeadLetters counts changes that a sink has refused for good.
type DeadLetters struct {
	Route, Cluster string
	Changes        int
	Last           time.Time // when the last of them was written
	Reason         string    // of that
}

// Volume is the room for the file of a ledger.
type Volume struct {
	Folder string
	// Error is why no file can be written, locked or synced there.
	Error string
	// Free and Size are bytes; Size is 0 where that is not known.
	Free, Size uint64
	// Locked: another process has the ledger.
	Locked bool
}

// Lock is what reading the lock of the election has come to.
type Lock struct {
	Identity string
	Holder   string
	Error    string
}
