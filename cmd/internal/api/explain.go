package api

import "time"

// Explanation is what /explain answers: where one object stands, for each route.
type Explanation struct {
	Cluster   string `json:"cluster"`
	Resource  string `json:"resource"` // plural and group, if that is known
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Member is what the cluster has of it; absent if it could not be asked.
	Member *InMember `json:"member,omitempty"`
	Routes []Verdict `json:"routes"`
	// Findings are what fairlead check would say that bears on it: of its cluster, of its
	// resource, of a sink that it waits for, and of the election. The worst comes first.
	Findings []Finding `json:"findings,omitempty"`
}

// InMember is what a cluster has of an object. It says nothing of its contents.
type InMember struct {
	Exists          bool   `json:"exists"`
	UID             string `json:"uid,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

// Verdict says where an object stands for one route. Fields that say nothing for its
// Reason are absent.
type Verdict struct {
	Route   string `json:"route"`
	Reason  Reason `json:"reason"`
	Message string `json:"message"` // one sentence
	// Code is that of the finding which is the cause, and Do what to do about it first;
	// empty: nothing is wrong.
	Code string `json:"code,omitempty"`
	Do   string `json:"do,omitempty"`
	// ResourceVersion is that of the state that the verdict is about.
	ResourceVersion string    `json:"resourceVersion,omitempty"`
	Since           time.Time `json:"since,omitzero"`
	NextTry         time.Time `json:"nextTry,omitzero"`
	Times           int       `json:"times,omitempty"` // that it was tried in vain
	Error           string    `json:"error,omitempty"`
	// Ahead counts the changes before it in its line of Line changes, which is the snapshot
	// class's if Snapshot is set.
	Ahead    *int `json:"ahead,omitempty"`
	Line     int  `json:"line,omitempty"`
	Snapshot bool `json:"snapshot,omitempty"`
	// Delivered is what was settled last, if this process knows of it.
	Delivered *Delivered `json:"delivered,omitempty"`
}

// Delivered is a state that a sink has accepted, or that was given up.
type Delivered struct {
	ID              string    `json:"id"` // of the event
	Op              string    `json:"op"`
	ResourceVersion string    `json:"resourceVersion"`
	At              time.Time `json:"at"`
	LagSeconds      float64   `json:"lagSeconds"`             // since it was read from the member
	DeadLettered    bool      `json:"deadLettered,omitempty"` // the sink does not have it
}

// Reason is why an object is where it is.
type Reason string

// The reasons of verdicts. Reasons describes them.
const (
	ReasonNotFollowed  Reason = "NotFollowed"
	ReasonPaused       Reason = "Paused"
	ReasonStreamDown   Reason = "StreamDown"
	ReasonUnknown      Reason = "Unknown"
	ReasonNotThere     Reason = "NotThere"
	ReasonFiltered     Reason = "Filtered"
	ReasonUnchanged    Reason = "Unchanged"
	ReasonNotYetSeen   Reason = "NotYetSeen"
	ReasonRejected     Reason = "Rejected"
	ReasonBehind       Reason = "Behind"
	ReasonLedgerFull   Reason = "LedgerFull"
	ReasonLaneFull     Reason = "LaneFull"
	ReasonWaiting      Reason = "Waiting"
	ReasonThrottled    Reason = "Throttled"
	ReasonLimited      Reason = "Limited"
	ReasonHeldByLedger Reason = "HeldByLedger"
	ReasonInFlight     Reason = "InFlight"
	ReasonSinkDown     Reason = "SinkDown"
	ReasonSinkRefusing Reason = "SinkRefusing"
	ReasonDeadLettered Reason = "DeadLettered"
	ReasonDeliverAgain Reason = "DeliverAgain"
	ReasonDelivered    Reason = "Delivered"
)

// ReasonHelp is what a Reason means, what to do, and which findings may be its cause.
type ReasonHelp struct {
	Reason  Reason
	Meaning string
	Do      string // empty: nothing
	// Causes are the codes of findings that may be the cause, the likeliest first.
	Causes []string
	// Code is the cause if none of them is found; empty: nothing is wrong.
	Code string
}

// HelpOf is the entry of a reason in Reasons; an empty one if there is none.
func HelpOf(r Reason) ReasonHelp {
	for _, h := range Reasons {
		if h.Reason == r {
			return h
		}
	}
	return ReasonHelp{}
}

// CauseAmong returns the first of the findings that is the likeliest cause for a route; nil:
// none is. What is merely worth knowing causes nothing.
func (h ReasonHelp) CauseAmong(all []Finding, route string) *Finding {
	for _, cause := range append(h.Causes[:len(h.Causes):len(h.Causes)], h.Code) {
		for i, one := range all {
			if one.Code == cause && one.Severity != SeverityInfo && (one.Route == "" || one.Route == route) {
				return &all[i]
			}
		}
	}
	return nil
}

// notConnected are the codes of what keeps a cluster from being connected.
var notConnected = []string{"FL1003", "FL1004", "FL1005", "FL1006", "FL1007", "FL1008", "FL1009", "FL1010", "FL1011", "FL1012", "FL1014", "FL1001"}

// Reasons is the table of all reasons, from the member to the sink. The page
// docs/explain.md is made of it.
var Reasons = []ReasonHelp{
	{ReasonNotFollowed, "The cluster is not in the fleet, or no `--watch` is for the resource or the namespace.",
		"Look at `problems` in `/clusters`, or add the `--watch` that the sentence names.", []string{"FL1001", "FL1112"}, ""},
	{ReasonPaused, "The cluster, the stream or the route is paused. Nothing is lost.", "End the pause; the sentence says who has begun it.", nil, "FL1013"},
	{ReasonStreamDown, "The stream that follows the resource is not connected to the cluster.",
		"The sentence says why, and when the next attempt is due. See [reasons of a stream](troubleshooting.md#reasons-of-a-stream).", append([]string{"FL1101", "FL1102", "FL1103", "FL1104", "FL1105", "FL1106", "FL1107"}, notConnected...), ""},
	{ReasonUnknown, "The cluster could not be asked what it has of the object, and nothing of it waits.", "Ask again. The sentence says what went wrong.", append([]string{"FL1106", "FL1026"}, notConnected...), ""},
	{ReasonNotThere, "The cluster has no such object, and the sink holds none.", "Check namespace and name.", nil, ""},
	{ReasonFiltered, "The object is not selected.", "Change the selector or the `where` that the sentence names. See [selection](selection.md).", nil, ""},
	{ReasonUnchanged, "The object has changed since it was delivered, but no field that counts (`changed`, `unchanged`, `preset`).", "", nil, ""},
	{ReasonNotYetSeen, "The cluster has a newer state than the stream has read.",
		"Ask again after a second. If it stays so, the stream is behind: look at the network and at `fairlead_backpressure_seconds_total`.", []string{"FL1012", "FL1025"}, ""},
	{ReasonRejected, "The stream has come past this state, and hands on nothing that it cannot read.",
		"Mend what the error names. The state is not delivered before a snapshot or an audit can read it.", nil, "FL1108"},
	{ReasonBehind, "The route does not share the watch, because its lane or memory was full or it needs a snapshot. It reads on by itself, and has not come to this state.",
		"Look at the sink: it was slow or down.", []string{"FL1301", "FL1302", "FL1303", "FL1201"}, ""},
	{ReasonLedgerFull, "The ledger has no room for another object of the cluster.", "Raise `--max-objects` or `--max-ledger-bytes`, or select less.", nil, "FL1402"},
	{ReasonLaneFull, "The change waits for room in its cluster's lane, or the stream does, which reads nothing meanwhile.", "Look at what holds up the lane: the sink, or the limit of the cluster.", []string{"FL1303"}, "FL1201"},
	{ReasonWaiting, "The change waits for its turn in its cluster's lane.", "If it takes long, the sink is slow: look at `fairlead_sink_write_seconds`.", []string{"FL1303", "FL1203"}, ""},
	{ReasonThrottled, "The change is next, or soon, and its cluster has used up its rate.", "If that is not meant, raise `--cluster-qps` or `--cluster-snapshot-qps`.", nil, "FL1202"},
	{ReasonLimited, "Its stream is not read on, or it waits in its lane, because the stream or the route has used up the limit that somebody has set.",
		"The sentence says who has set it, and why. To end it: `fairlead limits --stream CLUSTER/RESOURCE --reset`, or `--route NAME --reset`.", nil, "FL1204"},
	{ReasonHeldByLedger, "The ledger cannot be written, and nothing is delivered before the ledger knows of it.", "Mend the ledger's volume. The sentence has the error.", nil, "FL1401"},
	{ReasonInFlight, "The change has been handed to the sink, which has not answered.", "If it takes long, look at the destination.", []string{"FL1303"}, ""},
	{ReasonSinkDown, "The change waits for the sink, which fails as a whole.", "Mend the destination. The sentence has its error and the next attempt.", nil, "FL1301"},
	{ReasonSinkRefusing, "The sink refuses this change and takes others. It is tried again, up to a minute apart.",
		"Mend what the error names, in the destination or in the object.", nil, "FL1302"},
	{ReasonDeadLettered, "The sink has refused this state for good, and it is among the dead letters.", "Mend it, and run `fairlead dead-letter retry`. See [dead letters](dead-letters.md).", nil, "FL1304"},
	{ReasonDeliverAgain, "The sink has this state, and gets it once more: a replay, another form or another selection is under way.", "", nil, ""},
	{ReasonDelivered, "The sink has accepted what the cluster has.", "", nil, ""},
}
