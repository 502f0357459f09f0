package app

import (
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// What one client may take of a server. A Pod's ports can be reached by every
// other Pod of the cluster, unless a NetworkPolicy says otherwise.
const (
	readTimeout  = 10 * time.Second // for a request; they have no bodies to speak of
	writeTimeout = 30 * time.Second // for an answer; a scrape of a large fleet takes about a second
	idleTimeout  = 2 * time.Minute  // longer than the usual pause between two scrapes
	mostHeader   = 16 << 10         // bytes of a request's header
	// mostConnections is how many connections a server keeps. One costs about
	// 20 KiB.
	mostConnections = 256
	// mostRequests is how many requests of the costly kind, whose answers grow
	// with the fleet, are under way at once.
	mostRequests = 8
)

func newServer(name string, h http.Handler, l net.Listener, shutdown time.Duration) *manager.Server {
	kept := &connections{most: mostConnections}
	return &manager.Server{
		Name: name,
		Server: &http.Server{
			Handler:           h,
			ReadHeaderTimeout: readTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    mostHeader,
			ConnState:         kept.note,
		},
		Listener:        l,
		ShutdownTimeout: &shutdown,
	}
}

// connections bounds the connections of a server. It does not refuse the one
// that is too many, which may be the kubelet's probe, but closes another: the
// one that has been without a request for longest, else the one whose request
// has been under way for longest. So a probe is answered however many others are
// open. A longer request, such as a scrape, is lost only if as many others begin
// before it has ended as there may be connections.
type connections struct {
	most int

	mu    sync.Mutex
	quiet []net.Conn // without a request, in the order in which they became so
	busy  []net.Conn // with one, likewise
}

// note follows the state of a connection, as http.Server.ConnState.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	if victim := c.move(conn, state); victim != nil {
		_ = victim.Close() // the server notes that it is closed
	}
}

// move puts a connection to its like, and takes out one to close if there are
// too many.
func (c *connections) move(conn net.Conn, state http.ConnState) (victim net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.quiet) + len(c.busy)
	c.quiet, c.busy = without(c.quiet, conn), without(c.busy, conn)
	if state != http.StateNew && len(c.quiet)+len(c.busy) == before {
		return nil // it is being closed, and does not count any more
	}
	switch state {
	case http.StateNew, http.StateIdle:
		c.quiet = append(c.quiet, conn)
	case http.StateActive:
		c.busy = append(c.busy, conn)
	default: // closed, or no longer the server's
		return nil
	}
	if len(c.quiet)+len(c.busy) <= c.most {
		return nil
	}
	from := &c.quiet
	if len(c.quiet) == 0 || len(c.quiet) == 1 && c.quiet[0] == conn {
		from = &c.busy
	}
	victim = (*from)[0]
	*from = without(*from, victim)
	return victim
}

func without(conns []net.Conn, conn net.Conn) []net.Conn {
	if i := slices.Index(conns, conn); i >= 0 {
		return slices.Delete(conns, i, i+1)
	}
	return conns
}

// bounded answers at most n requests at a time and refuses others.
func bounded(n int, h http.Handler) http.Handler {
	free := make(chan struct{}, n)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case free <- struct{}{}:
			defer func() { <-free }()
			h.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many such requests are under way; try again", http.StatusServiceUnavailable)
		}
	})
}
