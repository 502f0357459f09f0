package otlp

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/httpdest"
	"github.com/fairlead-dev/fairlead/internal/inflight"
)

const (
	// DefaultTimeout is how long a request may take, with its answer.
	DefaultTimeout = 30 * time.Second
	// DefaultMaxRequest is the size of a request: receivers that take gRPC as well have a
	// bound of 4 MiB there.
	DefaultMaxRequest = 3584 << 10
	// DefaultConnections is how many requests are under way at once.
	DefaultConnections = 4
	// maxAnswer bounds an answer, in bytes. It holds a number and a message.
	maxAnswer = 64 << 10
)

// Options configure a sink.
type Options struct {
	// URL is http[s]://HOST[:PORT]/PATH, of which the path is /v1/logs as a rule. Required.
	URL string
	// TokenFile holds a bearer token, HeaderFile lines of NAME: VALUE. They are read again.
	TokenFile, HeaderFile string
	// CAFile, CertFile, KeyFile and ServerName are for https: who signs the server's
	// certificate, the client's own, and the name in the server's. All may be empty.
	CAFile, CertFile, KeyFile, ServerName string
	// NoCompression: bodies are not compressed with gzip.
	NoCompression bool
	// BodyMap has the body of a record be a map, and not the object's JSON as a text.
	BodyMap bool
	// MaxRequest is at how many bytes, before compression, a request is full. One record
	// always fits. 0 is DefaultMaxRequest.
	MaxRequest int
	// Timeout bounds a request. 0 is DefaultTimeout.
	Timeout time.Duration
	// Connections is how many goroutines call Write. 0 is DefaultConnections.
	Connections int
	// UserAgent is what the program calls itself, NAME/VERSION.
	UserAgent string
	// Registerer takes the sink's metrics. nil: there are none.
	Registerer prometheus.Registerer
	// Log hears of rejected records, at most once a minute.
	Log logr.Logger
}

// Sink is a [pipeline.Sink] that sends log records.
type Sink struct {
	client     *httpdest.Client
	calls      inflight.Calls // of Write
	maxRequest int
	bodyMap    bool
	version    string // of the program
	metrics    *metrics
	log        logr.Logger
	told       atomic.Int64 // when rejected records were logged last, in nanoseconds
}

// New returns a sink. It connects to nothing, and reads no file: one that cannot be read is a
// transient error of Check and Write. Close it after the last Write.
func New(o Options) (*Sink, error) {
	s := &Sink{maxRequest: o.MaxRequest, bodyMap: o.BodyMap, log: o.Log}
	if s.maxRequest <= 0 {
		s.maxRequest = DefaultMaxRequest
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Connections <= 0 {
		o.Connections = DefaultConnections
	}
	_, s.version, _ = strings.Cut(o.UserAgent, "/")
	var err error
	s.client, err = httpdest.New(httpdest.Options{
		URL: o.URL, TokenFile: o.TokenFile, HeaderFile: o.HeaderFile,
		TLS:    credentials.TLS{CA: o.CAFile, Cert: o.CertFile, Key: o.KeyFile, ServerName: o.ServerName},
		Header: http.Header{"Content-Type": {contentType}, "User-Agent": {o.UserAgent}},
		Gzip:   !o.NoCompression, Timeout: o.Timeout, Connections: o.Connections, MaxAnswer: maxAnswer,
	})
	if err != nil {
		return nil, fmt.Errorf("sink of OTLP: %w", err)
	}
	if s.metrics, err = newMetrics(o.Registerer); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends writes that are under way, and the connections. A later Write fails.
func (s *Sink) Close() error {
	s.calls.Close()
	return s.client.Close()
}
