package tcpline

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Line is a TCP proxy to one address. Its faults apply to all connections. Open, Cut
// and Set are for one goroutine at a time; Lead and Reset may be called by any.
type Line struct {
	to     atomic.Pointer[string] // host and port
	faults atomic.Pointer[Faults]
	sent   atomic.Int64
	got    atomic.Int64

	// Of the time between open and cut; for one goroutine at a time.
	listener net.Listener
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex
	clients map[*net.TCPConn]*way // that are connected
}

// Faults are how a line misbehaves.
type Faults struct {
	Latency time.Duration
	Rate    int  // bytes per second in each direction of a connection; 0 is unlimited
	Stalled bool // nothing passes, in either direction
	Mute    bool // nothing passes from the server to the client

	changed chan struct{} // closed when others have taken its place
}

// New returns a line to a host and port, which is not open yet.
func New(to string) *Line {
	l := &Line{clients: map[*net.TCPConn]*way{}}
	l.Lead(to)
	l.faults.Store(&Faults{changed: make(chan struct{})})
	return l
}

// Set replaces the faults. Bytes that wait for the old ones heed the new ones.
func (l *Line) Set(f Faults) {
	f.changed = make(chan struct{})
	close(l.faults.Swap(&f).changed)
}

// Open accepts connections at an address until Cut. A line that is open stays so.
func (l *Line) Open(address string) error {
	if l.listener != nil {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.listener, l.cancel = listener, cancel
	l.running.Go(func() { l.accept(ctx, listener) })
	return nil
}

// Lead has the connections to come lead elsewhere.
func (l *Line) Lead(to string) { l.to.Store(&to) }

// Cut refuses new connections, ends those of now, and returns when they have ended.
// It ends every other fault for those to come.
func (l *Line) Cut() {
	if l.listener != nil {
		_ = l.listener.Close() // It is open: nothing can go wrong.
		l.listener = nil
		l.cancel()
		l.running.Wait()
	}
	l.Set(Faults{})
}

// Reset ends the connections of now with a TCP reset. New ones are accepted.
func (l *Line) Reset() {
	l.mu.Lock()
	clients := slices.Collect(maps.Keys(l.clients))
	l.mu.Unlock()
	for _, client := range clients {
		_ = client.SetLinger(0) // So that Close resets. One that has ended already refuses both.
		_ = client.Close()
	}
}

// Sent returns how many bytes have come from clients since the line was made, also of those
// that a fault keeps from the server. Any goroutine may call it.
func (l *Line) Sent() int64 { return l.sent.Load() }

// Received returns how many bytes have come from the server since the line was made, also of
// those that a fault keeps from clients. Any goroutine may call it.
func (l *Line) Received() int64 { return l.got.Load() }

// Connections returns how many clients are connected.
func (l *Line) Connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.clients)
}

func (l *Line) accept(ctx context.Context, listener net.Listener) {
	for {
		client, err := listener.Accept()
		switch {
		case err == nil:
			l.running.Go(func() { l.carry(ctx, client.(*net.TCPConn)) })
		case errors.Is(err, net.ErrClosed):
			return
		default: // Most likely there are too many open files.
			wait(ctx, nil, 10*time.Millisecond)
		}
	}
}

// carry connects a client to the line's end, and returns when both connections have
// ended.
func (l *Line) carry(ctx context.Context, client *net.TCPConn) {
	w := &way{}
	l.mu.Lock()
	l.clients[client] = w
	l.mu.Unlock()
	defer func() {
		w.ended.Store(true)
		l.mu.Lock()
		delete(l.clients, client)
		l.mu.Unlock()
	}()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", *l.to.Load())
	if err != nil {
		_ = client.Close()
		return
	}
	l.pump(ctx, w, client, server.(*net.TCPConn))
}

// wait returns after d, or earlier when changed is closed or ctx ends.
func wait(ctx context.Context, changed <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
}
