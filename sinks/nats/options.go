package nats

import (
	"crypto/tls"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	// DefaultPrefix is what the subjects of a stream begin with.
	DefaultPrefix = "fairlead"
	// DefaultTimeout is how long a write may take.
	DefaultTimeout = 30 * time.Second
	// DefaultMaxBatch is how many messages may wait for their acknowledgement.
	DefaultMaxBatch = 1000
)

// Options configure a sink.
type Options struct {
	// Servers are HOST or HOST:PORT, tried in this order and again from the first; one
	// that is of use is kept. The port is 4222 if there is none. Required.
	Servers []string
	// Stream is the name of the stream, or of the bucket. Required.
	Stream string
	// Prefix is what the subjects of a stream begin with, one or more tokens. Empty is
	// DefaultPrefix. It is not for buckets.
	Prefix string
	// Login returns what a connection proves itself with. It is asked for each
	// connection, and returns secrets that errors must not show. nil: nothing but a
	// certificate.
	Login func() (options []nats.Option, secrets []string, err error)
	// TLS returns the configuration for a server of that host name or address. nil:
	// connections are encrypted only if the server asks for it.
	TLS func(host string) (*tls.Config, error)
	// Create says how a missing stream or bucket is made. nil: none is ever made.
	Create *Create
	// Trial has Create make nothing, and Check find nothing wrong with what it would make: see
	// sinks.Env. Write must not be called.
	Trial bool
	// Name is what the connection calls itself. Empty is "fairlead".
	Name string
	// MaxBatch is how many messages may wait for their acknowledgement. 0 is
	// DefaultMaxBatch. Larger batches are written in parts.
	MaxBatch int
	// Timeout is how long a write may take. 0 is DefaultTimeout.
	Timeout time.Duration
	// Registerer takes the sink's metrics. Two sinks must not share one: wrap it with a label
	// for each (prometheus.WrapRegistererWith). nil: there are none.
	Registerer prometheus.Registerer
}

// Create says how a missing stream or bucket is made: on files, and for a stream with
// Prefix.> as subjects.
type Create struct {
	// Replicas is how many servers hold it. 0 is 1.
	Replicas int
	// MaxAge is for how long a stream keeps messages. 0: for ever. It is not for
	// buckets.
	MaxAge time.Duration
}

var (
	streamSyntax = regexp.MustCompile(`^[A-Za-z0-9_-]{1,200}$`)
	prefixSyntax = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}(\.[A-Za-z0-9_-]{1,100}){0,4}$`)
)

func (o Options) withDefaults() (Options, error) {
	var errs []error
	if len(o.Servers) == 0 {
		errs = append(errs, errors.New("it is not said where a server is"))
	}
	if !streamSyntax.MatchString(o.Stream) {
		errs = append(errs, fmt.Errorf("stream or bucket %.80q has no proper name; give 1 to 200 letters, digits, dashes and underscores", o.Stream))
	}
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if !prefixSyntax.MatchString(o.Prefix) {
		errs = append(errs, fmt.Errorf("prefix %.80q is not of letters, digits, dashes and underscores, with a dot between two tokens", o.Prefix))
	}
	if o.Name == "" {
		o.Name = "fairlead"
	}
	if o.MaxBatch <= 0 {
		o.MaxBatch = DefaultMaxBatch
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	return o, errors.Join(errs...)
}
