package memberstatus

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/apiclient"
	"github.com/fairlead-dev/fairlead/internal/retry"
)

const (
	// Lazily is how often an object is written at most while none of its conditions turns.
	Lazily = 30 * time.Second

	// interval is the shortest time between two looks at the members. A look at thousands
	// takes a while: then the next one comes later, so that they take 2 % of one CPU.
	interval, share = time.Second, 50
	// relist is how often the objects are read again, as somebody may have changed them.
	relist = 10 * time.Minute
	// refusedFor is how long an object is left alone that the hub refuses.
	refusedFor = 5 * time.Minute
	// The pauses after the hub has failed.
	firstPause, longestPause = time.Second, time.Minute

	defaultQPS, defaultBurst = 5, 20
	defaultTimeout           = 15 * time.Second
)

// Options configure a Writer.
type Options struct {
	// Namespace is where the objects are. Required.
	Namespace string
	// Config says how to reach the hub. Required. It is asked again when the hub cannot be
	// reached or refuses the credentials.
	Config func() (*rest.Config, error)
	// Members returns all members of the fleet and where they stand; ok is false while that
	// is not known, as in a moment in which settings change. Required.
	Members func() (all []Member, ok bool)
	// Known reports whether Members tells of each member that is described, so that who is
	// missing has left. Required.
	Known func() bool
	// QPS and Burst are how many requests the hub gets per second, and at once after a
	// rest. Zero means 5, and 20.
	QPS   float64
	Burst int
	// Timeout bounds one request. Zero means 15 s.
	Timeout time.Duration
	// UserAgent is what the hub logs.
	UserAgent string
	Log       logr.Logger
}

// Writer keeps the objects. Make it with New. It is a prometheus.Collector of what it does.
type Writer struct {
	o       Options
	hub     hub
	metrics *metrics

	// Of Run:
	held    map[string]*held     // what the hub has, by cluster; nil: not known
	listed  time.Time            // when that was read
	seen    map[string]bool      // clusters that were members in this run and have objects, maybe
	refused map[string]time.Time // until when an object is left alone, by cluster
}

// held is one object as the hub has it.
type held struct {
	uid     types.UID
	version string
	status  *Status // nil: none yet
	written time.Time
}

// New returns a Writer. It starts nothing and connects to nothing.
func New(o Options) *Writer {
	o.QPS, o.Burst = cmp.Or(o.QPS, defaultQPS), cmp.Or(o.Burst, defaultBurst)
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	return &Writer{
		o: o, metrics: newMetrics(), seen: map[string]bool{}, refused: map[string]time.Time{},
		hub: hub{o.Namespace, apiclient.NewCaller(apiclient.CallerOptions{
			Config: o.Config, Timeout: o.Timeout, QPS: o.QPS, Burst: o.Burst, Connections: 2, UserAgent: o.UserAgent,
		})},
	}
}

// Run keeps the objects until ctx ends, then returns nil: the objects stay. It can be
// called once.
func (w *Writer) Run(ctx context.Context) error {
	defer w.hub.caller.Close()
	pauses := retry.NewBackOff(firstPause, longestPause)
	for well := true; ctx.Err() == nil; {
		took, err := w.round(ctx)
		if ctx.Err() != nil {
			break
		}
		pause := max(interval, share*took)
		if _, one := errors.AsType[refusal](err); err != nil && !one {
			pause = max(pause, pauses.NextBackOff())
		} else {
			pauses.Reset()
		}
		if err != nil {
			w.metrics.errors.Inc()
		}
		switch {
		case err != nil && well:
			well = false
			w.o.Log.Error(err, "Could not write the status of a member to the hub; it is tried again", "namespace", w.o.Namespace)
		case err != nil:
			w.o.Log.V(1).Info("Could not write the status of a member to the hub", "namespace", w.o.Namespace, "reason", err.Error())
		case !well && len(w.refused) == 0:
			well = true
			w.o.Log.Info("The status of members is written to the hub again", "namespace", w.o.Namespace)
		}
		if retry.Sleep(ctx, pause) != nil {
			break
		}
	}
	return nil
}
