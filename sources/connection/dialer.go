package connection

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A connection whose other end fell silent without a word (power, firewall,
// NAT) is given up after deadAfter: that long without an answer to keepalives
// when it is idle, or without an acknowledgement of what was sent.
const (
	deadAfter         = 30 * time.Second
	keepAliveIdle     = 15 * time.Second
	keepAliveInterval = 5 * time.Second
	keepAliveCount    = int((deadAfter - keepAliveIdle) / keepAliveInterval)
)

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dialTCP returns the dial function for members that bring none of their own.
func dialTCP(timeout time.Duration) dialFunc {
	d := net.Dialer{
		Timeout: timeout,
		KeepAliveConfig: net.KeepAliveConfig{
			Enable:   true,
			Idle:     keepAliveIdle,
			Interval: keepAliveInterval,
			Count:    keepAliveCount,
		},
		Control: setUserTimeout,
	}
	return d.DialContext
}

// dialer remembers the sockets it opened, so that they can all be closed: an
// http.Transport closes only those that are idle.
type dialer struct {
	dial dialFunc

	mu     sync.Mutex
	open   map[*socket]struct{}
	closed bool
}

func newDialer(dial dialFunc) *dialer {
	return &dialer{dial: dial, open: map[*socket]struct{}{}}
}

// errMayNotDial is that of a dial for a request that was to use what is open.
var errMayNotDial = errors.New("there is no connection")

type mayNotDial struct{}

// withoutDial returns a ctx for requests that fail with errMayNotDial where they need another
// connection.
func withoutDial(ctx context.Context) context.Context {
	return context.WithValue(ctx, mayNotDial{}, true)
}

// DialContext dials; after Close it fails with net.ErrClosed.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d.dialFor(ctx, network, address, false)
}

// dialForCalls is DialContext for sockets that cutSilent may close.
func (d *dialer) dialForCalls(ctx context.Context, network, address string) (net.Conn, error) {
	return d.dialFor(ctx, network, address, true)
}

func (d *dialer) dialFor(ctx context.Context, network, address string, calls bool) (net.Conn, error) {
	if ctx.Value(mayNotDial{}) != nil {
		return nil, errMayNotDial
	}
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s := &socket{Conn: conn, owner: d, calls: calls}
	s.heard.Store(time.Now().UnixNano())
	d.mu.Lock()
	refuse := d.closed
	if !refuse {
		d.open[s] = struct{}{}
	}
	d.mu.Unlock()
	if refuse {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	return s, nil
}

// cut closes every socket, whatever it is used for.
func (d *dialer) cut() {
	d.cutWhere(func(*socket) bool { return true })
}

// cutSilent closes the sockets for calls over which nothing has come since then. net/http would
// send the next request over one that is dead, too, until TCP gives it up.
func (d *dialer) cutSilent(since time.Time) {
	d.cutWhere(func(s *socket) bool { return s.calls && s.heard.Load() <= since.UnixNano() })
}

func (d *dialer) cutWhere(cut func(*socket) bool) {
	d.mu.Lock()
	open := slices.Collect(maps.Keys(d.open))
	d.mu.Unlock()
	for _, s := range open {
		if cut(s) {
			_ = s.Close()
		}
	}
}

// Close closes every socket, whatever it is used for, and refuses new ones.
func (d *dialer) Close() {
	d.mu.Lock()
	d.closed = true
	open := d.open
	d.open = nil
	d.mu.Unlock()
	for s := range open {
		_ = s.Conn.Close()
	}
}

// SyscallConn gives access to the file descriptor, if what comes out of that is
// what Read returns. Of a connection that a member's own Dial has wrapped nobody
// knows, not even if it has a SyscallConn: that may be the one of what it embeds.
func (s *socket) SyscallConn() (syscall.RawConn, error) {
	switch under := s.Conn.(type) {
	case *net.TCPConn:
		return under.SyscallConn()
	case *net.UnixConn:
		return under.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

type socket struct {
	net.Conn
	owner *dialer
	calls bool         // it is for calls and probes; else watches may be silent on it for long
	heard atomic.Int64 // if it is for calls: Unix time of the last read, or of the dial, in nanoseconds
}

func (s *socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if n > 0 && s.calls {
		s.heard.Store(time.Now().UnixNano())
	}
	return n, err
}

func (s *socket) Close() error {
	s.owner.mu.Lock()
	delete(s.owner.open, s)
	s.owner.mu.Unlock()
	return s.Conn.Close()
}
