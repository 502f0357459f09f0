package hub

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
)

// Options say where the records are, and how they are written.
type Options struct {
	// Namespace is where the records are. It has to exist.
	Namespace string
	// Config says how to reach the hub. It is asked again when the hub cannot be reached
	// or does not accept the credentials. The limits and the timeout in what it returns
	// do not count.
	Config func() (*rest.Config, error)
	// Full has records hold whole objects, and not their metadata alone.
	Full bool
	// Install makes the CRD of records, or updates it, before the first write.
	Install bool
	// Trial has Check install the CRD as a dry run only, and nothing be removed after
	// DeletedFor: see sinks.Env. Write must not be called.
	Trial bool
	// QPS is how many requests are made per second, over time; 0 is no limit. Burst is how
	// many may be made at once: at least 1 with a limit.
	QPS   float64
	Burst int
	// Connections is how many requests are under way at once, at most. Zero means 16.
	Connections int
	// DeletedFor is how long the record of an object that is gone stays, so that a write
	// that comes late does not bring it back: at least a minute. Zero means an hour.
	DeletedFor time.Duration
	// Timeout bounds each request. Zero means 30 s.
	Timeout time.Duration
	// UserAgent is what the sink calls itself.
	UserAgent string
	// Log is told what turns, and not of single records.
	Log logr.Logger
	// Registerer takes the metrics. Nil: there are none.
	Registerer prometheus.Registerer
}

// The defaults.
const (
	defaultConnections = 16
	defaultDeletedFor  = time.Hour
	defaultTimeout     = 30 * time.Second
)

// leastDeletedFor is longer than any request is under way.
const leastDeletedFor = time.Minute

// complete sets the defaults and reports every mistake.
func (o *Options) complete() error {
	if o.Connections == 0 {
		o.Connections = defaultConnections
	}
	if o.DeletedFor == 0 {
		o.DeletedFor = defaultDeletedFor
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	var errs []error
	if wrong := validation.IsDNS1123Label(o.Namespace); len(wrong) > 0 {
		errs = append(errs, fmt.Errorf("%.100q cannot be a namespace: %s", o.Namespace, strings.Join(wrong, "; ")))
	}
	if o.Config == nil {
		errs = append(errs, errors.New("it is not said how to reach the hub (Config)"))
	}
	if o.QPS < 0 || o.QPS > 0 && o.Burst < 1 {
		errs = append(errs, fmt.Errorf("a limit of %g requests per second with a burst of %d lets none through", o.QPS, o.Burst))
	}
	if o.Connections < 1 {
		errs = append(errs, fmt.Errorf("%d connections are too few", o.Connections))
	}
	if o.DeletedFor < leastDeletedFor {
		errs = append(errs, fmt.Errorf("deletions have to be known for %s at least, not %s", leastDeletedFor, o.DeletedFor))
	}
	if o.Timeout < 0 {
		errs = append(errs, fmt.Errorf("a timeout of %s has passed", o.Timeout))
	}
	return errors.Join(errs...)
}
