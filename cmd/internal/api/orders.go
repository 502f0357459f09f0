package api

import (
	"fmt"
	"time"
)

// Order is who has told a running program something, and for how long it holds.
type Order struct {
	By     string    `json:"by,omitempty"` // as the client says: nobody has checked it
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // when it ends by itself; absent: it does not
}

// Said says who has given the order, why, and until when, as the end of a sentence.
func (o Order) Said() string {
	said := "by an operator"
	if o.By != "" {
		said = "by " + o.By
	}
	if o.Reason != "" {
		said += fmt.Sprintf(" (%s)", o.Reason)
	}
	if !o.Until.IsZero() {
		said += " until " + o.Until.UTC().Format(time.RFC3339)
	}
	return said
}

// The modes of a Pause.
const (
	PauseHold = "hold" // nothing is delivered; watches stay, and stand still once lanes are full
	PauseStop = "stop" // there are no watches either
)

// Target is what an order is of: a cluster, one resource of it, or the way to a sink.
type Target struct {
	Cluster  string `json:"cluster,omitempty"`
	Resource string `json:"resource,omitempty"` // of the cluster, with its group
	Route    string `json:"route,omitempty"`
}

// String names it as the parameters of POST /pause do.
func (t Target) String() string {
	switch {
	case t.Route != "":
		return "route " + t.Route
	case t.Resource != "":
		return fmt.Sprintf("stream %s/%s", t.Cluster, t.Resource)
	}
	return "cluster " + t.Cluster
}

// IsCluster reports whether it is a whole cluster.
func (t Target) IsCluster() bool { return t.Route == "" && t.Resource == "" }

// Pause is one that is in effect.
type Pause struct {
	Target
	Mode string `json:"mode"`
	Order
}

// Pausing is what POST /pause and POST /resume answer: the pause that is in effect from now
// on, or was until now.
type Pausing struct {
	Pause
	// NotStored is why a restart would not know it yet; the program goes on trying.
	NotStored string `json:"notStored,omitempty"`
}

// LimitsOrder is what an operator has told of the limits of a cluster, a stream or a route; nil
// is nothing. Weights are of clusters only.
type LimitsOrder struct {
	Target
	QPS    *float64 `json:"qps,omitempty"`
	Burst  *int     `json:"burst,omitempty"`
	Weight *int     `json:"weight,omitempty"`
	Order
}

// LimitsOrders are all that are in effect.
type LimitsOrders struct {
	Orders []LimitsOrder `json:"orders"`
}

// Limits are those of a cluster or a stream of it, in every route, or of all that goes to a
// sink.
type Limits struct {
	Target
	QPS    Limit        `json:"qps"`             // changes per second; 0: no limit
	Burst  Limit        `json:"burst"`           // changes
	Weight Limit        `json:"weight,omitzero"` // of clusters
	Order  *LimitsOrder `json:"order,omitempty"` // over what is declared
	// NotStored is as in Pausing.
	NotStored string `json:"notStored,omitempty"`
}

// Rate is the changes per second that an order limits something to, 0 if it limits nothing. o may
// be nil.
func (o *LimitsOrder) Rate() float64 {
	if o == nil || o.QPS == nil {
		return 0
	}
	return *o.QPS
}

// Limit is one number among Limits.
type Limit struct {
	Declared   float64 `json:"declared"`
	DeclaredBy string  `json:"declaredBy"` // "flags", "--cluster-limit" or "description"; "nothing": streams and routes have none
	Effective  float64 `json:"effective"`
}
