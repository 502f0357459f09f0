package api

import "github.com/fairlead-dev/fairlead/sources/member"

// Error is the answer to what cannot be done.
type Error struct {
	Error string   `json:"error"`
	Known []string `json:"known,omitempty"` // what there is instead
	// Leader is who can be asked, where this process follows.
	Leader *Leader `json:"leader,omitempty"`
}

// Retrying is what POST /retry answers: what of a cluster is tried again now, and where its
// connection stood before.
type Retrying struct {
	Cluster   string       `json:"cluster"`
	State     member.State `json:"state"`
	Reason    string       `json:"reason,omitempty"`
	LastError string       `json:"lastError,omitempty"` // of a connection that was not live
	Connects  bool         `json:"connects"`            // the connection is tried
	Streams   []string     `json:"streams,omitempty"`   // that are, as they are given to --watch
}

// Replay is what POST /replay answers.
type Replay struct {
	Cluster  string `json:"cluster"`
	Resource string `json:"resource,omitempty"`
	Streams  int    `json:"streams"`          // that begin a snapshot
	DryRun   bool   `json:"dryRun,omitempty"` // nothing begins
	// Objects is how many objects are selected that sinks have accepted before; of several
	// routes, the most. Absent if everything is replayed.
	Objects *int      `json:"objects,omitempty"`
	Waiting []Waiting `json:"waiting,omitempty"` // that cannot, and begin when they can
	Failed  []Waiting `json:"failed,omitempty"`  // of which nothing is replayed
}

// Waiting is a stream that cannot begin a snapshot now.
type Waiting struct {
	Stream string `json:"stream"`
	Reason string `json:"reason"`
}

// Leader is where a follower says that the leader is, as the lock's record has it.
type Leader struct {
	Identity string `json:"identity,omitempty"`
	Host     string `json:"host,omitempty"`    // its Pod's name
	Address  string `json:"address,omitempty"` // host and port of its /clusters
}
