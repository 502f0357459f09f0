package api

// DiffLine is a line of what GET /diff and POST /diff stream: one of its fields. The last line
// is Done; without it the comparison was cut short. Blank lines keep the connection alive.
type DiffLine struct {
	Difference *Difference `json:"difference,omitempty"`
	Stream     *DiffStream `json:"stream,omitempty"`
	Done       *DiffDone   `json:"done,omitempty"`
}

// Difference is one object of which member, ledger and sink have not the same. It says nothing
// of its contents.
type Difference struct {
	Cluster   string `json:"cluster"`
	Resource  string `json:"resource"` // plural and group
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Verdict is OnlyInMember, OnlyInSink, OnlyInLedger, SinkOlder, SinkNewer, OtherUID,
	// OtherVersion or DeadLettered. Message says more, if there is more to say.
	Verdict string `json:"verdict"`
	Message string `json:"message,omitempty"`
	// Member, Ledger and Sink are what each has of it, the ledger as accepted by the sink.
	Member InMember `json:"member"`
	Ledger InMember `json:"ledger"`
	Sink   InMember `json:"sink"`
	// Repair is what becomes of it, if that was asked for.
	Repair string `json:"repair,omitempty"`
}

// DiffStream is the end of the comparison of one stream, after its differences.
type DiffStream struct {
	Cluster  string `json:"cluster"`
	Stream   string `json:"stream,omitempty"` // as --watch has it; empty: no stream of the cluster could be compared
	Resource string `json:"resource,omitempty"`
	// Error is why it could not be compared. Then nothing is said of its objects.
	Error string `json:"error,omitempty"`

	Objects     int `json:"objects"`            // compared
	Differences int `json:"differences"`        // told
	More        int `json:"more,omitempty"`     // seemed to differ, and were too many to look at twice
	Pending     int `json:"pending,omitempty"`  // no differences: they are on their way
	Filtered    int `json:"filtered,omitempty"` // the route does not select them
	Changing    int `json:"changing,omitempty"` // had another state in each reading
}

// DiffDone ends a comparison.
type DiffDone struct {
	Streams     int `json:"streams"`
	Failed      int `json:"failed"` // streams that could not be compared
	Objects     int `json:"objects"`
	Differences int `json:"differences"` // at least, if there are More
}
