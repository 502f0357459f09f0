package s3

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/minio/minio-go/v7"
	miniocredentials "github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/inflight"
	"github.com/fairlead-dev/fairlead/internal/redact"
)

const (
	// DefaultTimeout is how long a PUT may take.
	DefaultTimeout = time.Minute
	// defaultRegion is what stores that have no regions expect.
	defaultRegion = "us-east-1"
	// maxPrefix bounds a prefix, in bytes: a key has at most 1024, of which a cluster's
	// name, of at most 253, takes three times as many in the worst case.
	maxPrefix = 128
)

// Options configure a sink.
type Options struct {
	// Host is HOST or HOST:PORT of the store. Required.
	Host string
	// Bucket is where segments go. It must be there. Required.
	Bucket string
	// Prefix stands before all keys, without slashes at its ends; at most 128 bytes.
	Prefix string
	// Region is that of the bucket. Empty is us-east-1.
	Region string
	// PathStyle has the bucket's name stand in the path, HostStyle in the name of the
	// host. With neither, that depends on the host: it is the name of the host at Amazon.
	PathStyle, HostStyle bool
	// TLS returns the configuration for a server of that host name or address. It is
	// asked once for each. nil: connections are not encrypted.
	TLS func(host string) (*tls.Config, error)
	// Credentials prove who writes, and are asked for each PUT. Required.
	Credentials Source
	// NoCompression: segments are not compressed, and their keys end in .ndjson.
	NoCompression bool
	// NoChecksum: for stores that refuse x-amz-checksum-crc32c.
	NoChecksum bool
	// Timeout bounds a PUT, and before it the wait for its keys. 0 is DefaultTimeout.
	Timeout time.Duration
	// UserAgent is what the program calls itself, NAME/VERSION.
	UserAgent string
	// Registerer takes the sink's metrics. nil: there are none.
	Registerer prometheus.Registerer
}

// Sink is a [pipeline.Sink] that writes segments to a bucket.
type Sink struct {
	o         Options
	client    *minio.Client
	transport *transport
	provider  *provider
	redactor  *redact.Redactor
	metrics   *metrics
	encoders  sync.Pool      // of *zstd.Encoder
	calls     inflight.Calls // of Write
}

// New returns a sink. It connects to nothing. Close it after the last Write.
func New(o Options) (*Sink, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("sink in S3: %w", err)
	}
	if o.Region == "" {
		o.Region = defaultRegion
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	s := &Sink{o: o, transport: newTransport(o.TLS), redactor: redact.New()}
	s.provider = newProvider(o.Credentials, s.transport.client(), o.Timeout, s.redactor.Note)
	options := &minio.Options{
		Creds:        miniocredentials.New(s.provider),
		Secure:       o.TLS != nil,
		Transport:    s.transport,
		Region:       o.Region,
		BucketLookup: o.lookup(),
		MaxRetries:   1, // the batcher tries again
	}
	var err error
	if s.client, err = minio.New(o.Host, options); err != nil {
		return nil, fmt.Errorf("sink in S3: %w", err)
	}
	if name, version, ok := strings.Cut(o.UserAgent, "/"); ok {
		s.client.SetAppInfo(name, version)
	}
	s.encoders.New = func() any { return newEncoder() }
	if s.metrics, err = newMetrics(o.Registerer); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends writes that are under way, and the connections. A later Write fails.
func (s *Sink) Close() error {
	s.calls.Close()
	s.transport.CloseIdleConnections()
	return nil
}

func (o *Options) lookup() minio.BucketLookupType {
	switch {
	case o.PathStyle:
		return minio.BucketLookupPath
	case o.HostStyle:
		return minio.BucketLookupDNS
	}
	return minio.BucketLookupAuto
}

func (o *Options) check() error {
	var errs []error
	if o.Host == "" {
		errs = append(errs, errors.New("no host is given"))
	}
	if o.Credentials == nil {
		errs = append(errs, errors.New("no credentials are given"))
	}
	if o.PathStyle && o.HostStyle {
		errs = append(errs, errors.New("the bucket's name cannot stand both in the path and in the host"))
	}
	if host, _, err := net.SplitHostPort(o.Host); o.HostStyle && (net.ParseIP(host) != nil || err != nil && net.ParseIP(strings.Trim(o.Host, "[]")) != nil) {
		errs = append(errs, errors.New("a bucket's name cannot stand before an address; give the host's name, or the bucket in the path"))
	}
	return errors.Join(append(errs, checkBucket(o.Bucket), checkPrefix(o.Prefix))...)
}

func checkBucket(bucket string) error {
	if err := s3utils.CheckValidBucketNameStrict(bucket); err != nil {
		return fmt.Errorf("the bucket's name: %w", err)
	}
	return nil
}

func checkPrefix(prefix string) error {
	if len(prefix) > maxPrefix {
		return fmt.Errorf("the prefix has more than %d bytes", maxPrefix)
	}
	if prefix == "" {
		return nil
	}
	for segment := range strings.SplitSeq(prefix, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return errors.New("the prefix has an empty part, or one that is . or ..; write it as A/B")
		}
	}
	if strings.ContainsFunc(prefix, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == 0xfffd }) {
		return errors.New("the prefix has a control character, a backslash, or is not UTF-8")
	}
	return nil
}

// newEncoder returns what compresses a segment. Its output depends on its input alone.
func newEncoder() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(2<<20))
	if err != nil {
		panic(err) // the options are constants
	}
	return e
}
