package api

import (
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/sinks/batch"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// Status is what /clusters answers.
type Status struct {
	Election *Election `json:"election,omitempty"` // with --leader-elect; all that follows is the leader's
	Config   *Config   `json:"config,omitempty"`   // with --config
	// NotReady is why nothing is delivered yet by a process that does not follow; empty: it
	// delivers, or Election says why not.
	NotReady string    `json:"notReady,omitempty"`
	Clusters []Cluster `json:"clusters"`
	Paused   []Pause   `json:"paused,omitempty"` // by operators
	// Sources tell how far each value of --clusters has been read.
	Sources []Source `json:"sources,omitempty"`
	// Limits are those that operators have told the program, over what is declared.
	Limits   []LimitsOrder `json:"limits,omitempty"`
	Problems []Problem     `json:"problems"` // descriptions of clusters that cannot be used, or are of one cluster
	Sinks    []Sink        `json:"sinks"`
	Ledger   Ledger        `json:"ledger"`
}

// Source is a place that describes clusters. It is known once the program follows each
// cluster that was described well there; before, there may be more of them than it lists.
type Source struct {
	Source string `json:"source"` // the value of --clusters
	Known  bool   `json:"known"`
}

// Cluster is what there is of a member.
type Cluster struct {
	Name          string       `json:"name"`
	Source        string       `json:"source"` // where it is described
	State         member.State `json:"state"`
	Reason        string       `json:"reason,omitempty"`
	Since         time.Time    `json:"since"`
	LastError     string       `json:"lastError,omitempty"`
	LastErrorAt   time.Time    `json:"lastErrorAt,omitzero"`
	Attempt       int          `json:"attempt"`
	NextRetry     time.Time    `json:"nextRetry,omitzero"`
	UID           string       `json:"uid,omitempty"`    // or a digest, where it cannot be read
	SameAs        []string     `json:"sameAs,omitempty"` // other members that are the same cluster
	ServerVersion string       `json:"serverVersion,omitempty"`
	// Credential is what expires first of what the last probe was made with, token or
	// certificate, CredentialIssued since when it is good, and CredentialExpires until when;
	// absent as far as the credentials do not tell.
	Credential        string    `json:"credential,omitempty"`
	CredentialIssued  time.Time `json:"credentialIssued,omitzero"`
	CredentialExpires time.Time `json:"credentialExpires,omitzero"`
	// Labels are those of the object of the hub that describes it.
	Labels  map[string]string `json:"labels,omitempty"`
	Lane    Lane              `json:"lane"`   // of all routes together
	Counts  LaneCounts        `json:"counts"` // likewise
	Routes  []Route           `json:"routes"`
	Ledger  InLedger          `json:"ledger"`
	Streams []Stream          `json:"streams"`
	// Survey tells what wildcards stand for in the cluster, and which resources they leave
	// out; absent without wildcards.
	Survey *sources.SurveyStatus `json:"survey,omitempty"`
}

// Route is what waits of a cluster for one sink. How far each stream of the
// cluster has come for it, the streams tell.
type Route struct {
	Route  string     `json:"route"`
	InStep bool       `json:"inStep"` // in all streams
	Lane   Lane       `json:"lane"`
	Counts LaneCounts `json:"counts"`
}

// InLedger is what a cluster takes in the ledger, and may take; 0 is no bound. It is
// not healthy while the ledger's store does not take what there is of the cluster.
type InLedger struct {
	Objects    int       `json:"objects"`
	MaxObjects int       `json:"maxObjects"`
	Bytes      int64     `json:"bytes"`
	MaxBytes   int64     `json:"maxBytes"`
	Healthy    bool      `json:"healthy"`
	Since      time.Time `json:"since,omitzero"`
	LastError  string    `json:"lastError,omitempty"`
	Attempts   int       `json:"attempts"`
}

// Lane is what waits of a cluster: changes, and the bytes of their objects.
type Lane struct {
	Live          int   `json:"live"`
	Snapshot      int   `json:"snapshot"`
	Bytes         int64 `json:"bytes"`
	Delayed       int   `json:"delayed"`
	InFlight      int   `json:"inFlight"`
	BlockedOffers int   `json:"blockedOffers"`
}

// LaneCounts are counts of a lane since the start, and seconds in which it was held up.
type LaneCounts struct {
	Added            uint64  `json:"added"`
	Coalesced        uint64  `json:"coalesced"`
	HandedOut        uint64  `json:"handedOut"`
	Throttled        uint64  `json:"throttled"`
	ThrottledSeconds float64 `json:"throttledSeconds"`
	BlockedSeconds   float64 `json:"blockedSeconds"`
}

// Stream is where one resource of a cluster stands.
type Stream struct {
	stream.Status
	// LastFrameAgeSeconds is how long the server has been silent; absent until
	// it has said something.
	LastFrameAgeSeconds *float64 `json:"lastFrameAgeSeconds,omitempty"`
}

// Problem is what is wrong with a description of clusters.
type Problem struct {
	Source  string    `json:"source"`
	Context string    `json:"context,omitempty"`
	Cluster string    `json:"cluster,omitempty"`
	Error   string    `json:"error"`
	Since   time.Time `json:"since"`
}

// Sink is not healthy while the sink fails as a whole, or anything that it
// has refused waits for another try.
type Sink struct {
	Name string `json:"name"`
	batch.Status
	Refused []stage.Refused `json:"refused,omitempty"` // and tried again, by cluster
	// LimitedSeconds is for how long changes have waited only for a token of the limit that
	// somebody has set of the route.
	LimitedSeconds float64 `json:"limitedSeconds,omitempty"`
}

// Ledger is how the ledger stands.
type Ledger struct {
	Path string `json:"path"` // its identity: what messages call it
	ledger.Status
}

// Election is what /clusters says about the election.
type Election struct {
	Role     string `json:"role"` // leader or follower
	Lock     string `json:"lock"`
	Identity string `json:"identity"`
	Leader   string `json:"leader,omitempty"`
	// LeaderSince is since when that process leads, or nobody does, as this one has seen it.
	LeaderSince time.Time `json:"leaderSince,omitzero"`
	// Renewed is when the leader last renewed the lock, by its own clock. Term is the fencing
	// token of the process that tells, 0 if it has not led.
	Renewed time.Time `json:"renewed,omitzero"`
	Term    uint64    `json:"term,omitempty"`
	// UnsettledSince is since when no process has led for 15 seconds; zero: one does.
	UnsettledSince time.Time `json:"unsettledSince,omitzero"`
	LeaderHost     string    `json:"leaderHost,omitempty"`    // as the leader says; its Pod's name
	LeaderAddress  string    `json:"leaderAddress,omitempty"` // likewise: where /clusters is
	AdminAddress   string    `json:"adminAddress,omitempty"`  // where this process listens for commands
	WaitsFor       string    `json:"waitsFor,omitempty"`      // a leader that does not deliver yet
	Refused        string    `json:"refused,omitempty"`       // why the ledger does not accept a leader
	LastError      string    `json:"lastError,omitempty"`
	// UnrenewedSince is when this leader last renewed the lock, if it cannot renew it or is
	// late to, and EndsAt when it stops leading then; zero: it renews it in time.
	UnrenewedSince time.Time `json:"unrenewedSince,omitzero"`
	EndsAt         time.Time `json:"endsAt,omitzero"`
	Lost           string    `json:"lost,omitempty"` // why this process, which has led, does so no more; it ends
}

// Config is what /clusters says about the configuration file.
type Config struct {
	File string `json:"file"`
	// Applied is when values of the file last came into effect. Error is why those that it
	// has now are not in effect.
	Applied time.Time `json:"applied"`
	Error   string    `json:"error,omitempty"`
	// NeedsRestart are the flags whose values in the file need a restart.
	NeedsRestart []string `json:"needsRestart,omitempty"`
	// Overruled are the keys that do not count, as the command line has their flags.
	Overruled []string `json:"overruled,omitempty"`
	// ChangingSince is since when nothing is delivered, because the settings change. What is
	// told of clusters is how they were then.
	ChangingSince time.Time `json:"changingSince,omitzero"`
}
