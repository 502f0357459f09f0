package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
)

// Mechanisms are how a client can prove who it is, beside by a certificate.
var mechanisms = []string{"plain", "scram-sha-256", "scram-sha-512", "oauthbearer"}

// compressions are the codecs, the default first.
var compressions = []string{"zstd", "snappy", "lz4", "gzip", "none"}

// Bindings: where the attributes of an event stand.
const (
	// Structured: the value is the whole event as JSON.
	Structured = "structured"
	// Binary: the value is the object, and headers hold the attributes.
	Binary = "binary"
)

// Tombstones: what a deletion is.
const (
	// Both: an event, and then a record without a value.
	Both = "both"
	// Only: a record without a value. Its headers hold the attributes of the event.
	Only = "only"
	// None: an event. A compacted topic never forgets the object then.
	None = "none"
)

const (
	// DefaultTimeout is how long a write may take.
	DefaultTimeout = 30 * time.Second
	// DefaultMaxMessage is what a broker takes if nobody has told it otherwise, in
	// bytes: Kafka's default of message.max.bytes, without what it is wrapped in.
	DefaultMaxMessage = 1_000_012
	// DefaultTopicMessage is the max.message.bytes of a topic that is made: objects have
	// up to 1.5 MiB in etcd, and more as JSON.
	DefaultTopicMessage = 4 << 20
	// largest bounds a record that is sent alone, in bytes before compression. It is
	// above what a member's object can have, and below the 100 MiB of a request.
	largest = 64 << 20
	// smallestBatch and largestBatch bound MaxMessage, in bytes.
	smallestBatch, largestBatch = 1 << 10, largest
)

// Options configure a sink.
type Options struct {
	// Brokers are HOST or HOST:PORT of some brokers, from which the others are learned.
	// The port is 9092 if there is none. Required.
	Brokers []string
	// Topic is the name of the topic. {cluster} and {resource} in it stand for those of
	// the change, with what no topic can have escaped: see the package's template.
	// Required.
	Topic string
	// Binding is Structured or Binary. Empty is Structured.
	Binding string
	// Tombstones is Both, Only or None. Empty is Both.
	Tombstones string
	// Compression is one of zstd, snappy, lz4, gzip, none. Empty is zstd.
	Compression string
	// Mechanism is one of plain, scram-sha-256, scram-sha-512, oauthbearer. Empty: the
	// client does not prove who it is, but by a certificate.
	Mechanism string
	// User is who logs in; not with oauthbearer.
	User string
	// Secret returns the password, or the token. It is asked for each connection.
	// Required with Mechanism.
	Secret func(context.Context) (string, error)
	// TLS returns the configuration for a broker of that host name or address. It is
	// asked once for each. nil: connections are not encrypted.
	TLS func(host string) (*tls.Config, error)
	// Create says how a missing topic is made. nil: none is ever made.
	Create *Create
	// ClientID is what this client calls itself, for quotas and logs of the brokers.
	// Empty is "fairlead".
	ClientID string
	// MaxMessage is how many bytes records that are sent at once may have, before
	// compression, where the broker does not tell it (max.message.bytes of the topic). A
	// larger record is sent alone. 0 is DefaultMaxMessage.
	MaxMessage int32
	// Log is told once of a topic that takes smaller batches than expected. The zero
	// value drops it.
	Log logr.Logger
	// Registerer takes the sink's metrics. Two sinks must not share one: wrap it with a label
	// for each (prometheus.WrapRegistererWith). nil: there are none.
	Registerer prometheus.Registerer
	// Timeout is how long a write may take. 0 is DefaultTimeout.
	Timeout time.Duration
}

// Create says how a missing topic is made.
type Create struct {
	// Partitions is how many it has. 0: what the broker makes.
	Partitions int32
	// Replicas is how many brokers hold each. 0: what the broker makes.
	Replicas int16
	// Compact: the topic keeps the last record of each key, and none without a value.
	Compact bool
	// MinInSync is how many replicas must have a record before it is acknowledged
	// (min.insync.replicas). 0: two, or one if Replicas is 1, or what the broker makes if
	// Replicas is 0.
	MinInSync int16
	// MaxMessage is the most bytes of a batch, after compression (max.message.bytes). 0 is
	// DefaultTopicMessage.
	MaxMessage int32
}

// configs returns the settings of a topic that is made.
func (c Create) configs() map[string]string {
	all := map[string]string{"max.message.bytes": strconv.Itoa(int(cmp.Or(c.MaxMessage, DefaultTopicMessage)))}
	if c.Compact {
		all["cleanup.policy"] = "compact"
	}
	if enough := cmp.Or(c.MinInSync, min(2, c.Replicas)); enough > 0 {
		all["min.insync.replicas"] = strconv.Itoa(int(enough))
	}
	return all
}

func (o Options) withDefaults() (Options, error) {
	def := func(value *string, all ...string) error {
		if *value == "" {
			*value = all[0]
		}
		if !slices.Contains(all, *value) {
			return fmt.Errorf("%q is none of %s", *value, strings.Join(all, ", "))
		}
		return nil
	}
	errs := []error{
		def(&o.Binding, Structured, Binary),
		def(&o.Tombstones, Both, Only, None),
		def(&o.Compression, compressions...),
	}
	if o.Mechanism != "" {
		errs = append(errs, def(&o.Mechanism, mechanisms...))
		if o.Secret == nil {
			errs = append(errs, fmt.Errorf("mechanism %s needs a password or a token", o.Mechanism))
		}
		if (o.User == "") != (o.Mechanism == "oauthbearer") {
			errs = append(errs, errors.New("a user goes with every mechanism but oauthbearer"))
		}
	} else if o.User != "" || o.Secret != nil {
		errs = append(errs, errors.New("a user, password or token is of no use without a mechanism"))
	}
	if len(o.Brokers) == 0 {
		errs = append(errs, errors.New("it is not said where a broker is"))
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.MaxMessage < smallestBatch || o.MaxMessage > largestBatch {
		errs = append(errs, fmt.Errorf("the largest batch of records must have from %d to %d bytes", smallestBatch, largestBatch))
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.ClientID == "" {
		o.ClientID = "fairlead"
	}
	return o, errors.Join(errs...)
}
