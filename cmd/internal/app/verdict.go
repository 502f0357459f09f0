package app

import (
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/sinks/batch"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
	"github.com/fairlead-dev/fairlead/sources"
)

// facts are what is known of one object on one route at one moment. What a verdict need not
// know costs nothing: it is asked for by a function.
type facts struct {
	now     time.Time
	found   *sources.Looked
	route   sources.RouteSight
	status  sources.RouteStatus // of the stream
	place   queue.Place
	queued  bool            // place is there
	lane    queue.LaneStats // empty: the cluster has none
	rate    float64
	total   time.Duration // until when the queue has no token for anything; 0: there may be one
	refusal stage.Refusal
	refused bool // refusal is there
	sink    batch.Status
	ledger  ledger.Status
	cluster ledger.ClusterStatus
	paused  *pause
	// Limits that an operator has ordered; nil: none.
	ofCluster, ofStream, ofRoute *api.LimitsOrder
	last                         func() *api.Delivered
	letter                       func() (deadletter.Record, bool)
}

// pause is why nothing of an object goes on, by whose will.
type pause struct {
	since time.Time
	why   string // a sentence's end: "the annotation ... is set"
	// reading: nothing more is read, and what was read goes on.
	reading bool
}

// verdict says where the object stands: what it waits for if a state of it is on its way,
// else why none is.
func (f *facts) verdict() api.Verdict {
	v := f.decide()
	v.Route = f.route.Route
	if v.Delivered == nil {
		v.Delivered = f.last()
	}
	return v
}

func (f *facts) decide() api.Verdict {
	if f.paused != nil && !(f.paused.reading && f.route.Pending) {
		return api.Verdict{Reason: api.ReasonPaused, Since: f.paused.since, Message: "It is paused: " + f.paused.why + "."}
	}
	if f.route.Pending {
		return f.onItsWay()
	}
	return f.atRest()
}
