package cache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// suspectTimeout is how long a call waits for the verdict when another has failed.
const suspectTimeout = 2 * time.Second

// placeholder is the address that clients of a member send to. The gate puts
// the member's in its place.
const placeholder = "https://member.invalid"

// gate is what all requests to one member go through. Those of informers wait
// in it while the member is not to be dialed; all others fail at once.
type gate struct {
	cluster string
	conn    Connection
	config  Config

	mu      sync.Mutex
	flights map[*flight]struct{}
	closed  bool // the member has left
}

// flight is one request under way.
type flight struct {
	gate     *gate
	session  *member.Session
	informer *informer // nil for a call
	cancel   context.CancelCauseFunc
	timer    *time.Timer // of a call; nil without
	began    time.Time

	cut bool // guarded by gate.mu
}

func newGate(cluster string, conn Connection, config Config) *gate {
	return &gate{cluster: cluster, conn: conn, config: config, flights: map[*flight]struct{}{}}
}

// clientConfig is for clients of the member: they go through the gate, which
// also knows credentials and limits.
func (g *gate) clientConfig() *rest.Config {
	return &rest.Config{Host: placeholder, Transport: g, QPS: -1, WarningHandler: rest.NoWarnings{}}
}

// client is what clients made from clientConfig send with.
func (g *gate) client() *http.Client {
	return &http.Client{
		Transport:     g,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// RoundTrip sends a request to the member.
func (g *gate) RoundTrip(req *http.Request) (*http.Response, error) {
	if i := informerOf(req.Context()); i != nil && req.Method == http.MethodGet {
		return g.sendForInformer(req, i)
	}
	return g.call(req)
}

// begin registers a request that goes with a session, unless that has just
// ended. The ctx is for the request.
func (g *gate) begin(ctx context.Context, s *member.Session, i *informer) (context.Context, *flight, bool) {
	ctx, cancel := context.WithCancelCause(ctx)
	f := &flight{gate: g, session: s, informer: i, cancel: cancel, began: time.Now()}
	g.mu.Lock()
	closed := g.closed
	g.flights[f] = struct{}{}
	g.mu.Unlock()
	// Only now: who cuts looks at the connection first, then at the flights.
	if now := g.conn.Link(); closed || now.Session != s && !now.Suspect {
		f.end()
		return nil, nil, false
	}
	return ctx, f, true
}

// end frees what a flight holds. It may be called again.
func (f *flight) end() {
	f.gate.mu.Lock()
	delete(f.gate.flights, f)
	f.gate.mu.Unlock()
	f.cancel(context.Canceled)
	if f.timer != nil {
		f.timer.Stop()
	}
}

// abort gives a flight up for a reason of ours.
func (f *flight) abort(why error) {
	f.gate.mu.Lock()
	f.cut = true
	f.gate.mu.Unlock()
	f.cancel(why)
}

// aborted tells whether that happened.
func (f *flight) aborted() bool {
	f.gate.mu.Lock()
	defer f.gate.mu.Unlock()
	return f.cut
}

// cut gives up what is under way and will not be answered. A new session takes
// the informers over; calls under way may end with the old one.
func (g *gate) cut(link member.Link) {
	if link.Suspect {
		return
	}
	dead := link.Session == nil && link.State != member.Connecting
	g.mu.Lock()
	var all []*flight
	for f := range g.flights {
		if f.session != link.Session && (f.informer != nil || dead) {
			all = append(all, f)
		}
	}
	g.mu.Unlock()
	for _, f := range all {
		f.abort(errCut)
	}
}

// close gives up everything, and lets nothing through any more.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	all := slices.Collect(maps.Keys(g.flights))
	g.mu.Unlock()
	for _, f := range all {
		f.abort(errCut)
	}
}

// link is the connection as it is for those at the gate.
func (g *gate) link() member.Link {
	g.mu.Lock()
	closed := g.closed
	g.mu.Unlock()
	if closed {
		return member.Link{State: member.Gone}
	}
	return g.conn.Link()
}

// outbound is req as the member should get it.
func outbound(ctx context.Context, req *http.Request, s *member.Session) *http.Request {
	out := req.Clone(ctx)
	u := *req.URL
	u.Scheme, u.Host, u.User = s.Server.Scheme, s.Server.Host, s.Server.User
	if prefix := strings.TrimSuffix(s.Server.Path, "/"); prefix != "" {
		if u.RawPath != "" || s.Server.RawPath != "" {
			u.RawPath = strings.TrimSuffix(s.Server.EscapedPath(), "/") + req.URL.EscapedPath()
		}
		u.Path = prefix + u.Path
	}
	out.URL, out.Host = &u, ""
	if u.User != nil && out.Header.Get("Authorization") == "" { // as http.Client does, which is not asked here
		password, _ := u.User.Password()
		out.SetBasicAuth(u.User.Username(), password)
	}
	return out
}

// send makes one attempt on a session.
func send(ctx context.Context, req *http.Request, s *member.Session) (*http.Response, error) {
	if s.Limiter != nil {
		if err := s.Limiter.Wait(ctx); err != nil {
			closeBody(req)
			return nil, fmt.Errorf("%w: %w", errBucket, err)
		}
	}
	transport := s.CallTransport
	if isWatch(req) {
		transport = s.WatchTransport
	}
	return transport.RoundTrip(outbound(ctx, req, s))
}

// report tells the connection of a request that went wrong, in a form that it
// understands.
func (g *gate) report(s *member.Session, req *http.Request, err error) {
	if errors.Is(err, errBucket) {
		return
	}
	if _, ok := errors.AsType[*url.Error](err); !ok {
		err = &url.Error{Op: req.Method, URL: req.URL.Path, Err: err}
	}
	g.conn.Report(s, err)
}

func isWatch(req *http.Request) bool {
	switch req.URL.Query().Get("watch") {
	case "true", "1":
		return true
	}
	return false
}

// endless tells whether an answer goes on for as long as the client wants.
func endless(req *http.Request) bool {
	return isWatch(req) || req.URL.Query().Get("follow") == "true"
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}
