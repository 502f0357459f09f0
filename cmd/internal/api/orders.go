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

// Paused is what a pause is of: a cluster, one resource of it, or the way to a sink.
type Paused struct {
	Cluster  string `json:"cluster,omitempty"`
	Resource string `json:"resource,omitempty"` // of the cluster, with its group
	Route    string `json:"route,omitempty"`
}

// String names it as the parameters of POST /pause do.
func (p Paused) String() string {
	switch {
	case p.Route != "":
		return "route " + p.Route
	case p.Resource != "":
		return fmt.Sprintf("stream %s/%s", p.Cluster, p.Resource)
	}
	return "cluster " + p.Cluster
}

// Pause is one that is in effect.
type Pause struct {
	Paused
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

// LimitsOrder is what an operator has told of a cluster's limits; nil is nothing.
type LimitsOrder struct {
	Cluster string   `json:"cluster"`
	QPS     *float64 `json:"qps,omitempty"`
	Burst   *int     `json:"burst,omitempty"`
	Weight  *int     `json:"weight,omitempty"`
	Order
}

// Limits are those of a cluster in every route.
type Limits struct {
	Cluster string       `json:"cluster"`
	QPS     Limit        `json:"qps"`   // changes per second; 0: no limit
	Burst   Limit        `json:"burst"` // changes
	Weight  Limit        `json:"weight"`
	Order   *LimitsOrder `json:"order,omitempty"` // over what is declared
	// NotStored is as in Pausing.
	NotStored string `json:"notStored,omitempty"`
}

// Limit is one number among Limits.
type Limit struct {
	Declared   float64 `json:"declared"`
	DeclaredBy string  `json:"declaredBy"` // "flags", "--cluster-limit" or "description"
	Effective  float64 `json:"effective"`
}
