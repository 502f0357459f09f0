package api

import (
	"time"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// Overview is what /status answers: how the whole program stands.
type Overview struct {
	At       time.Time `json:"at"`
	Version  string    `json:"version"`
	Election *Election `json:"election,omitempty"` // with --leader-elect
	Lights   []Light   `json:"lights"`
	Totals   Totals    `json:"totals"`
	// NotDelivering is why this process knows of nothing that is wrong: it follows, does not
	// deliver yet, or changes its settings. Empty: it delivers.
	NotDelivering string `json:"notDelivering,omitempty"`
	// Causes are what is wrong, folded: what concerns delivery as a whole first, then what
	// concerns most. MoreCauses counts those that are left out.
	Paused     []Pause       `json:"paused,omitempty"` // by operators, as Limits
	Limits     []LimitsOrder `json:"limits,omitempty"`
	Causes     []Cause       `json:"causes"`
	MoreCauses int           `json:"moreCauses,omitempty"`
}

// Light is one thing that must be well for anything to be delivered.
type Light struct {
	Kind      string    `json:"kind"` // election, settings, ledger or route
	Name      string    `json:"name"`
	Level     string    `json:"level"` // ok, busy, warn or bad
	Text      string    `json:"text"`
	Since     time.Time `json:"since,omitzero"`
	NextRetry time.Time `json:"nextRetry,omitzero"`
}

// Totals are sums over all clusters. What is a pointer is absent until it is known.
type Totals struct {
	Clusters    int            `json:"clusters"`
	Live        int            `json:"live"`
	States      map[string]int `json:"states"` // clusters by state
	Streams     int            `json:"streams"`
	LiveStreams int            `json:"liveStreams"`
	Waiting     int            `json:"waiting"` // changes in lanes and in work
	Refused     int            `json:"refused"` // objects that sinks refuse, and that are tried again
	// OldestUnacked is when the oldest change was read that a sink has not accepted.
	OldestUnacked time.Time `json:"oldestUnacked,omitzero"`
	// DeliveriesPerSecond is how many changes sinks have accepted, over the last ten to twenty
	// seconds: a change that goes to three sinks is three deliveries.
	DeliveriesPerSecond *float64 `json:"deliveriesPerSecond,omitempty"`
	// LagP99Seconds is about how long 99 of 100 changes of the last five minutes took at most
	// from being read until a sink accepted them.
	LagP99Seconds    *float64 `json:"lagP99Seconds,omitempty"`
	DeadLetters      *uint64  `json:"deadLetters,omitempty"` // since the start; absent where none are kept
	AuditDifferences uint64   `json:"auditDifferences"`      // since the start
}

// Cause is what is wrong with one or more things in the same way.
type Cause struct {
	What      string    `json:"what"`  // of what there are Count, such as clusters
	Level     string    `json:"level"` // warn or bad
	Count     int       `json:"count"`
	State     string    `json:"state,omitempty"`
	Reason    string    `json:"reason"`
	Error     string    `json:"error,omitempty"` // of one of them
	Since     time.Time `json:"since,omitzero"`  // of the first
	NextRetry time.Time `json:"nextRetry,omitzero"`
	NextStep  string    `json:"nextStep"`
	Examples  []string  `json:"examples"`        // clusters, or what else it concerns; at most a few
	Query     string    `json:"query,omitempty"` // of /status/clusters, which shows them
}

// ClusterList is what /status/clusters answers: one page of a table.
type ClusterList struct {
	At       time.Time    `json:"at"`
	Filter   string       `json:"filter,omitempty"`
	Selector string       `json:"selector,omitempty"` // of labels
	Sort     string       `json:"sort"`
	Page     int          `json:"page"` // from 1
	PerPage  int          `json:"perPage"`
	Matching int          `json:"matching"` // on all pages
	Total    int          `json:"total"`
	Clusters []ClusterRow `json:"clusters"`
}

// ClusterRow is one line for a cluster.
type ClusterRow struct {
	Name      string       `json:"name"`
	Level     string       `json:"level"` // ok, busy, warn or bad: the worst of the cluster and its streams
	State     member.State `json:"state"`
	Reason    string       `json:"reason,omitempty"`
	Since     time.Time    `json:"since"`
	NextRetry time.Time    `json:"nextRetry,omitzero"`
	Source    string       `json:"source"`
	// Labels are those of the object of the hub that describes it.
	Labels      map[string]string `json:"labels,omitempty"`
	Version     string            `json:"serverVersion,omitempty"`
	Streams     int               `json:"streams"`
	LiveStreams int               `json:"liveStreams"`
	Waiting     int               `json:"waiting"`
	Unacked     int               `json:"unacked"`
	LagSeconds  float64           `json:"lagSeconds"` // age of the oldest change that a sink has not accepted
	// Throttled is the share of the last ten seconds in which tokens were missing, from 0 to
	// 1, in the route that waited longest. DeliveriesPerSecond are those to all routes. Both
	// are absent until they are known.
	Throttled           *float64 `json:"throttled,omitempty"`
	DeliveriesPerSecond *float64 `json:"deliveriesPerSecond,omitempty"`
}

// ClusterDetail is what /status/clusters/NAME answers.
type ClusterDetail struct {
	At      time.Time `json:"at"`
	Cluster Cluster   `json:"cluster"`
	// Limits are the cluster's tokens in each route.
	Limits []RouteLimit `json:"limits"`
	// Paused and Order are what operators have told of it, and StreamOrders of the limits of its
	// resources, by name.
	Paused       []Pause       `json:"paused,omitempty"`
	Order        *LimitsOrder  `json:"order,omitempty"`
	StreamOrders []LimitsOrder `json:"streamOrders,omitempty"`
	// Credentials is what is known of how the cluster is reached.
	Credentials Credentials  `json:"credentials"`
	Problems    []Problem    `json:"problems"` // of the cluster's description
	Transitions []Transition `json:"transitions"`
	History     History      `json:"history"`
}

// RouteLimit is what one route takes of a cluster at most.
type RouteLimit struct {
	Route string  `json:"route"`
	QPS   float64 `json:"qps"` // changes per second; 0 is no limit
	Burst int     `json:"burst"`
	// SnapshotQPS is the same for what is read from lists; 0 is no limit of its own.
	SnapshotQPS float64 `json:"snapshotQPS"`
}

// Credentials is where a cluster's credentials come from, and when they end.
type Credentials struct {
	Source string `json:"source"`
	Kind   string `json:"kind,omitempty"` // such as token, client certificate or plugin
	// Expires is when they end, zero where that cannot be told from them.
	Expires time.Time `json:"expires,omitzero"`
}

// Transition is a change of state of a cluster, or of one of its streams, that was seen
// by comparing two looks. What came and went between two looks is one transition.
type Transition struct {
	Seen   time.Time    `json:"seen"`
	Since  time.Time    `json:"since"`            // when To began
	Stream string       `json:"stream,omitempty"` // empty: the cluster's connection
	From   member.State `json:"from,omitempty"`   // empty: it is new
	To     member.State `json:"to"`
	Reason string       `json:"reason,omitempty"`
}

// History has a value for each ten seconds of the last quarter of an hour, the oldest
// first; -1 where nothing is known.
type History struct {
	EverySeconds        int       `json:"everySeconds"`
	LagSeconds          []float64 `json:"lagSeconds"`
	Throttled           []float64 `json:"throttled"`
	DeliveriesPerSecond []float64 `json:"deliveriesPerSecond"`
}

// RouteDetail is what /status/routes/NAME answers.
type RouteDetail struct {
	At   time.Time `json:"at"`
	Sink Sink      `json:"sink"`
	// Paused and Order are what operators have told of it.
	Paused *Pause       `json:"paused,omitempty"`
	Order  *LimitsOrder `json:"order,omitempty"`
	// Deliveries are those of the last quarter of an hour, as far as the program has run.
	Deliveries Deliveries `json:"deliveries"`
	// Batches have been written since the settings changed, or the start, with BatchChanges
	// changes in all. A batch counts each time that it is written.
	Batches      uint64      `json:"batches"`
	BatchChanges uint64      `json:"batchChanges"`
	Lane         Lane        `json:"lane"`   // of all clusters together
	Behind       []string    `json:"behind"` // clusters whose watch it does not share; at most 100
	BehindAll    int         `json:"behindAll"`
	Waiting      []InRoute   `json:"waiting"` // clusters of which most waits; at most 20
	Filtered     uint64      `json:"filtered"`
	Filter       FilterError `json:"filter"`
}

// InRoute is what waits of a cluster in a route.
type InRoute struct {
	Cluster string `json:"cluster"`
	Lane    Lane   `json:"lane"`
}

// FilterError counts objects on which an expression could not be evaluated.
type FilterError struct {
	Count uint64 `json:"count"`
	Last  string `json:"last,omitempty"`
}

// Deliveries is what a sink has answered in a time.
type Deliveries struct {
	Seconds  float64 `json:"seconds"` // how long the time is; 0: nothing is known yet
	Accepted uint64  `json:"accepted"`
	Refused  uint64  `json:"refused"` // and interrupted: tries that did not succeed
	// Took is from being taken out of the queue until the answer; Lag from being read. Each
	// has the bounds below which so many of 100 are, within a factor of the square root of 2;
	// absent where nothing was accepted.
	Took *Quantiles `json:"took,omitempty"`
	Lag  *Quantiles `json:"lag,omitempty"`
}

// Quantiles are in seconds.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
}
