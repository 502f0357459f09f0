package bench

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/sources/connection"
)

// network is a network in memory, on which the members of a fleet have their API servers. They
// answer probes. There are no sockets, so that it can be used in virtual time.
type network struct {
	hosts    []*host
	server   http.Server
	incoming chan net.Conn
	closed   chan struct{}
	close    func()
}

// newNetwork returns a network with so many hosts, all of which answer. It ends with the test.
func newNetwork(t *testing.T, hosts int) *network {
	n := &network{incoming: make(chan net.Conn), closed: make(chan struct{})}
	n.close = sync.OnceFunc(func() { close(n.closed) })
	n.server.Handler = http.HandlerFunc(answerProbe)
	n.server.ReadHeaderTimeout = time.Minute
	for range hosts {
		n.hosts = append(n.hosts, &host{network: n})
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = n.server.Serve(n) // until Close
	}()
	t.Cleanup(func() {
		_ = n.server.Close()
		<-served
	})
	return n
}

// answerProbe is what a member's API server says of itself. Its UID is the host's name.
func answerProbe(w http.ResponseWriter, r *http.Request) {
	answer := map[string]any{"major": "1", "minor": "36", "gitVersion": "v1.36.3"}
	if r.URL.Path != "/version" {
		answer = map[string]any{"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": map[string]string{
			"name": "kube-system", "uid": r.Host,
		}}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// Accept implements net.Listener, for the server.
func (n *network) Accept() (net.Conn, error) {
	select {
	case conn := <-n.incoming:
		return conn, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (n *network) Close() error { n.close(); return nil }

// Addr implements net.Listener.
func (n *network) Addr() net.Addr { return &net.UnixAddr{Net: "memory"} }

// fault is what is wrong with the way to a host.
type fault int

const (
	none     fault = iota
	refuses        // nobody listens
	swallows       // nothing comes back
)

// host is where a member is.
type host struct {
	network *network

	mu     sync.Mutex
	fault  fault
	open   []net.Conn  // the server's ends of connections since the last fault
	dialed []time.Time // when connections to it were begun
}

// config is how to connect to a host of that name.
func (h *host) config(name string) *rest.Config {
	return &rest.Config{Host: "http://" + name, Dial: h.dial, Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }}
}

func (h *host) dial(ctx context.Context, name, _ string) (net.Conn, error) {
	h.mu.Lock()
	h.dialed = append(h.dialed, time.Now())
	fault := h.fault
	h.mu.Unlock()
	var err error = syscall.ECONNREFUSED
	switch fault {
	case refuses:
	case swallows: // as a dialer with that timeout, which net/http lets dial on when nobody waits any more
		select {
		case <-time.After(connection.DefaultConnectTimeout):
		case <-ctx.Done():
		case <-h.network.closed:
		}
		err = os.ErrDeadlineExceeded
	case none:
		ours, its := net.Pipe()
		select {
		case h.network.incoming <- its:
			h.mu.Lock()
			h.open = append(h.open, its)
			h.mu.Unlock()
			return ours, nil
		case <-h.network.closed:
		}
	}
	return nil, &net.OpError{Op: "dial", Net: name, Err: err}
}

// set begins or ends a fault. What is open is cut off.
func (h *host) set(f fault) {
	h.mu.Lock()
	h.fault = f
	open := h.open
	h.open = nil
	h.mu.Unlock()
	for _, conn := range open {
		_ = conn.Close()
	}
}

// dials returns when connections were begun.
func (h *host) dials() []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.dialed)
}
