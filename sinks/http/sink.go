package httpsink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// maxHeader bounds the header of an answer, in bytes.
const maxHeader = 64 << 10

// Sink is a [pipeline.Sink] that sends requests of HTTP. As many goroutines may call
// Write as Options.Connections says, never two with a change of the same object.
type Sink struct {
	o         Options
	wire      *wire
	target    string // what errors call the destination
	late      error  // why a request ends that takes too long
	passes    passes
	transport *http.Transport
	metrics   *metrics
	slots     chan struct{} // one for each request that may be under way
	drafts    sync.Pool     // of *draft
	zippers   sync.Pool     // of *gzip.Writer

	// limit is the largest body that is sent with several changes, in bytes; 0: not
	// known. The server has refused larger ones.
	limit atomic.Int64
	// suspects counts answers with status 500 since the last success.
	suspects atomic.Uint32
}

// New returns a sink. It reads and checks the files that the options name, tries a
// template on samples, and connects to nothing.
func New(o Options) (*Sink, error) {
	o = o.withDefaults()
	u, err := o.check()
	if err != nil {
		return nil, err
	}
	w, err := wireOf(&o)
	if err != nil {
		return nil, err
	}
	if o.ContentType != "" {
		w.contentType = o.ContentType
	}
	if o.MaxEvent == 0 {
		o.MaxEvent = w.maxEvent
	}
	s := &Sink{
		o: o, wire: w, slots: make(chan struct{}, o.Connections),
		late: fmt.Errorf("there was no complete answer within %v; see timeout", o.Timeout),
	}
	s.drafts.New = newDraft
	s.zippers.New = newZipper
	if s.transport, err = newTransport(u, &o); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(o.Registerer); err != nil {
		return nil, err
	}
	s.prepare(u)
	if _, err := s.passes.current(time.Now()); err != nil {
		return nil, err
	}
	return s, nil
}

// prepare says where requests go, and which headers they have.
func (s *Sink) prepare(u *url.URL) {
	if s.o.PathFile == "" {
		if strings.Trim(u.Path, "/") == "" && s.wire.path != "" {
			u.Path, u.RawPath = s.wire.path, ""
		}
		query := u.Query()
		for name, values := range s.wire.query {
			if !query.Has(name) {
				query[name] = values
			}
		}
		u.RawQuery = query.Encode()
	}
	s.target = u.Scheme + "://" + u.Host + u.EscapedPath()
	header := http.Header{
		"User-Agent": {s.o.UserAgent}, // an empty one is not sent
		// Nor is this one. It says that requests may be repeated, so that net/http does so
		// where the server has closed a connection that was idle.
		"Idempotency-Key": nil,
	}
	if s.wire.contentType != "" {
		header["Content-Type"] = []string{s.wire.contentType}
	}
	if s.o.Gzip {
		header["Content-Encoding"] = []string{"gzip"}
	}
	authorization := s.wire.authorization
	if authorization == "" {
		authorization = "Bearer"
	}
	s.passes = passes{o: &s.o, url: u, header: header, authorization: authorization}
}

func newTransport(u *url.URL, o *Options) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: o.DialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    o.DialTimeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // an answer of few bytes may not become many
		MaxIdleConnsPerHost:    o.Connections,
		MaxConnsPerHost:        o.Connections,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
	}
	if u.Scheme != "https" {
		return t, nil
	}
	config, err := o.tls().For(u.Hostname()).Config()
	if err != nil {
		return nil, err
	}
	t.TLSClientConfig = config
	return t, nil
}

// Close closes idle connections.
func (s *Sink) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// Write sends the changes: each by itself, those of one object in their order, or all in
// one request.
func (s *Sink) Write(ctx context.Context, batch []*pipeline.Change) error {
	switch {
	case len(batch) == 0:
		return nil
	case s.wire.single:
		return s.each(ctx, batch)
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("POST %s: %w", s.target, context.Cause(ctx))
	}
	defer func() { <-s.slots }()
	return s.together(ctx, batch)
}

// append appends a change as it is sent, if it is not too large.
func (s *Sink) append(dst []byte, c *pipeline.Change) ([]byte, error) {
	before := len(dst)
	dst, err := s.wire.append(dst, c)
	if err != nil {
		return nil, &ownError{err}
	}
	if n := len(dst) - before; s.o.MaxEvent > 0 && n > s.o.MaxEvent {
		return nil, pipeline.Permanent(fmt.Errorf("the change has %d bytes as it is sent, and max-event is %d: raise that and what the server takes, or leave fields out with drop", n, s.o.MaxEvent))
	}
	return dst, nil
}

var errTooLarge = errors.New("the server takes no request as large as that of these changes")

// together sends all changes in one request.
func (s *Sink) together(ctx context.Context, batch []*pipeline.Change) error {
	d := s.draft()
	defer s.drop(d)
	d.body = append(d.body, s.wire.open...)
	failed := map[int]error{}
	sent, at := make([]*pipeline.Change, 0, len(batch)), make([]int, 0, len(batch))
	limit := int(s.limit.Load())
	for i, c := range batch {
		mark := len(d.body)
		if len(sent) > 0 {
			d.body = append(d.body, s.wire.between...)
		}
		next, err := s.append(d.body, c)
		if err != nil {
			failed[i], d.body = err, d.body[:mark]
			continue
		}
		d.body, sent, at = next, append(sent, c), append(at, i)
		if limit > 0 && len(d.body) > limit && len(sent) > 1 {
			return pipeline.Permanent(errTooLarge) // so that it is split
		}
	}
	d.body = append(d.body, s.wire.end...)
	if len(sent) > 0 {
		refused, err := s.post(ctx, d, sent)
		if _, own := errors.AsType[*ownError](err); own {
			for _, i := range at {
				failed[i] = err
			}
		} else if err != nil {
			return err
		}
		for j, reason := range refused {
			failed[at[j]] = reason
		}
	}
	if len(failed) > 0 {
		return &pipeline.BatchError{Failed: failed}
	}
	return nil
}
