package httpsink

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-dev/fairlead/internal/httpdest"
	"github.com/fairlead-dev/fairlead/internal/inflight"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// Sink is a [pipeline.Sink] that sends requests of HTTP. As many goroutines may call
// Write as Options.Connections says, never two with a change of the same object.
type Sink struct {
	o         Options
	wire      *wire
	chosen    bool   // Options.Permanent is somebody's choice
	target    string // what errors call the destination
	late      error  // why a request ends that takes too long
	passes    passes
	transport *http.Transport
	metrics   *metrics
	calls     inflight.Calls // of Write
	slots     chan struct{}  // one for each request that may be under way
	drafts    sync.Pool      // of *draft
	zippers   sync.Pool      // of *gzip.Writer
	insets    bool           // large bodies are put together while they are sent

	limit limit // of bodies with several changes
	stuck stuck // batches that fail again and again
	pause pause // that the server has asked for
	// trusted: the server has settled something since it last failed, or has not failed yet.
	// worked: it has since all of a batch was taken for what it fails on.
	trusted, worked atomic.Bool
}

// New returns a sink. It tries a template on samples, connects to nothing, and reads no file:
// one that cannot be read is a transient error of Check and Write.
func New(o Options) (*Sink, error) {
	chosen := o.Permanent != nil
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
		o: o, wire: w, chosen: chosen, slots: make(chan struct{}, o.Connections),
		late: fmt.Errorf("there was no complete answer within %v; see timeout", o.Timeout),
	}
	// What is compressed or signed has to be there before.
	s.insets = w.head != nil && !o.Gzip && o.SecretFile == ""
	s.trusted.Store(true)
	s.drafts.New = newDraft
	s.zippers.New = newZipper
	s.transport, err = httpdest.NewTransport(u, httpdest.Dial{TLS: o.tls(), Connections: o.Connections, Timeout: o.DialTimeout, Request: o.Timeout})
	if err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(o.Registerer); err != nil {
		return nil, err
	}
	s.prepare(u)
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
			switch {
			case !query.Has(name):
				query[name] = values
			case name == "query":
				s.wire.check = nil // a statement of somebody's own
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

// Close ends writes that are under way, and the connections. A later Write fails.
func (s *Sink) Close() error {
	s.calls.Close()
	s.transport.CloseIdleConnections()
	return nil
}

// Write sends the changes: each by itself, those of one object in their order, or all in
// one request.
func (s *Sink) Write(ctx context.Context, batch []*pipeline.Change) error {
	if len(batch) == 0 {
		return nil
	}
	ctx, done, err := s.calls.Begin(ctx)
	if err != nil {
		return fmt.Errorf("POST %s: %w", s.target, err)
	}
	defer done()
	if err := s.pause.err(time.Now()); err != nil {
		return err
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("POST %s: %w", s.target, context.Cause(ctx))
	}
	defer func() { <-s.slots }()
	if s.wire.single {
		return s.each(ctx, batch)
	}
	return s.together(ctx, batch)
}

// add appends a change as it is sent, if it is not too large.
func (s *Sink) add(d *draft, c *pipeline.Change) error {
	before := d.end()
	if object := c.Object; s.insets && len(object) >= leastInset && d.size()+len(object) > copied {
		d.body = s.wire.head(d.body, c)
		d.inset(object)
		d.body = append(d.body, s.wire.tail...)
	} else {
		text, err := s.wire.append(d.body, c)
		if err != nil {
			return &localError{err}
		}
		d.body = text
	}
	if n := d.size() - before.size(); s.o.MaxEvent > 0 && n > s.o.MaxEvent {
		d.cut(before)
		return &localError{pipeline.Permanent(fmt.Errorf("the change has %d bytes as it is sent, and max-event is %d: raise that and what the server takes, or leave fields out with drop", n, s.o.MaxEvent))}
	}
	return nil
}
