package trace

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/fairlead-dev/fairlead/internal/httpdest"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
)

const (
	// mostTraces is how many changes are traced per second, and half as many at once: a
	// snapshot of a large cluster is late in all its objects.
	mostTraces = 100
	// queueSize is how many answers of sinks wait to be sent.
	queueSize = 4096
	// maxError bounds the text of an error, in bytes.
	maxError = 300
)

// Options configure a Tracer.
type Options struct {
	// Endpoint is where spans are sent. Required.
	Endpoint *Endpoint
	// Ratio is which part of all changes is traced, from 0 to 1.
	Ratio float64
	// Lag is the time from when a change is observed from which on it is traced anyhow.
	// Zero: none is for that reason.
	Lag time.Duration
	// UserAgent is what the program calls itself, NAME/VERSION.
	UserAgent string
	Log       logr.Logger
}

// Tracer traces changes. Choose and Observe are for any goroutine. It is a
// prometheus.Collector of what it does.
type Tracer struct {
	o        Options
	least    uint64 // ids from this on are not traced because of the ratio
	all      bool   // the ratio is 1
	limit    *rate.Limiter
	queue    chan answer
	client   *httpdest.Client
	resource resource
	metrics  *metrics
}

// answer is what a sink has answered to one change, or that this was stored.
type answer struct {
	trace                  pipeline.Trace
	route                  string
	key                    pipeline.Key
	clusterUID, id         string
	op                     pipeline.Op
	snapshot               bool
	attempt                int
	observed, began, ended time.Time
	refused                string    // empty: it was accepted
	stored                 time.Time // when the ledger had stored that; zero: it is told of later, if at all
}

// New returns a Tracer. It reads the files that the endpoint names, and connects to
// nothing.
func New(o Options) (*Tracer, error) {
	client, err := o.Endpoint.client(o.UserAgent)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find a name for this process in traces: %w", err)
	}
	_, version, _ := strings.Cut(o.UserAgent, "/")
	return &Tracer{
		o: o, least: uint64(o.Ratio * (1 << 63)), all: o.Ratio >= 1, limit: rate.NewLimiter(mostTraces, mostTraces/2),
		queue: make(chan answer, queueSize), client: client, metrics: newMetrics(), resource: resource{version, host},
	}, nil
}

// Choose returns what chooses the changes of a route that are traced, for
// stage.Options.Trace.
func (t *Tracer) Choose(route string) func(*pipeline.Change) *pipeline.Trace {
	return func(c *pipeline.Change) *pipeline.Trace {
		if c.Trace != nil {
			return c.Trace // another try
		}
		id := traceID(c)
		chosen := t.isChosen(id)
		if !chosen && !t.isLate(c, time.Now) {
			return nil
		}
		if !t.limit.Allow() {
			if chosen && c.Refusals == 0 { // each is counted once; for what is late, see Observe
				t.countRate()
			}
			return nil
		}
		return &pipeline.Trace{TraceID: id, SpanID: spanID(id, route)}
	}
}

// Observe takes note of what a sink has answered to a change, if that is traced, and has
// whoever stores that an accepted one is delivered tell when. It waits for nothing.
func (t *Tracer) Observe(route string, d stage.Delivery) {
	c := d.Change
	of := c.Trace
	now := time.Now()
	if of == nil {
		// Late only now. What is refused is told when it is chosen for its next try.
		if d.Refused != nil || !t.isLate(c, func() time.Time { return now }) {
			return
		}
		id := traceID(c)
		if !t.limit.Allow() {
			if !t.isChosen(id) { // else Choose has counted it
				t.countRate()
			}
			return
		}
		of = &pipeline.Trace{TraceID: id, SpanID: spanID(id, route)}
	}
	a := answer{
		trace: *of, route: route, key: c.Key, clusterUID: c.Origin.ClusterUID, id: c.ID(), op: c.Op, snapshot: c.Snapshot,
		attempt: int(c.Refusals) + 1, observed: c.Observed, began: d.Began, ended: now,
	}
	if d.Refused != nil {
		a.refused = redact.Line(d.Refused.Error(), maxError)
	} else {
		// A late change has its trace only now.
		with := *of
		with.Stored = func() {
			a.stored = time.Now()
			t.enqueue(a)
		}
		c.Trace = &with
	}
	t.enqueue(a)
}

// enqueue has Run send the spans of an answer, unless too many wait.
func (t *Tracer) enqueue(a answer) {
	select {
	case t.queue <- a:
	default:
		t.metrics.dropped.WithLabelValues(droppedQueue).Add(float64(a.spans()))
	}
}

func (t *Tracer) isLate(c *pipeline.Change, now func() time.Time) bool {
	return t.o.Lag > 0 && !c.Observed.IsZero() && now().Sub(c.Observed) >= t.o.Lag
}

// countRate counts the spans of a change that is not traced because too many are.
func (t *Tracer) countRate() {
	t.metrics.dropped.WithLabelValues(droppedRate).Add(spansOfChange)
}

// Describe implements prometheus.Collector.
func (t *Tracer) Describe(ch chan<- *prometheus.Desc) {
	t.metrics.sent.Describe(ch)
	t.metrics.dropped.Describe(ch)
}

// Collect implements prometheus.Collector.
func (t *Tracer) Collect(ch chan<- prometheus.Metric) {
	t.metrics.sent.Collect(ch)
	t.metrics.dropped.Collect(ch)
}
