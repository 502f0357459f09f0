package fairleadtest

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

// line is a TCP proxy to one address. Its faults apply to all connections, in both
// directions.
type line struct {
	to     string // host and port
	faults atomic.Pointer[faults]

	// Of the time between open and cut; for one goroutine at a time.
	listener net.Listener
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex
	clients map[*net.TCPConn]struct{} // that are connected
}

// faults is how a line misbehaves. It is replaced as a whole.
type faults struct {
	latency time.Duration
	rate    int           // bytes per second; 0 is unlimited
	stalled bool          // nothing passes
	changed chan struct{} // closed when others have taken its place
}

func newLine(to string) *line {
	l := &line{to: to, clients: map[*net.TCPConn]struct{}{}}
	l.faults.Store(&faults{changed: make(chan struct{})})
	return l
}

// set replaces the faults. Bytes that wait for the old ones heed the new ones.
func (l *line) set(f faults) {
	f.changed = make(chan struct{})
	close(l.faults.Swap(&f).changed)
}

// open accepts connections at an address until cut. A line that is open stays so.
func (l *line) open(address string) error {
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

// cut refuses new connections, ends those of now, and returns when they have ended.
// It ends every other fault for those to come.
func (l *line) cut() {
	if l.listener != nil {
		_ = l.listener.Close() // It is open: nothing can go wrong.
		l.listener = nil
		l.cancel()
		l.running.Wait()
	}
	l.set(faults{})
}

// reset ends the connections of now with a TCP reset. New ones are accepted.
func (l *line) reset() {
	l.mu.Lock()
	clients := slices.Collect(maps.Keys(l.clients))
	l.mu.Unlock()
	for _, client := range clients {
		_ = client.SetLinger(0) // So that Close resets. One that has ended already refuses both.
		_ = client.Close()
	}
}

func (l *line) accept(ctx context.Context, listener net.Listener) {
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
func (l *line) carry(ctx context.Context, client *net.TCPConn) {
	l.mu.Lock()
	l.clients[client] = struct{}{}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.clients, client)
		l.mu.Unlock()
	}()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", l.to)
	if err != nil {
		_ = client.Close()
		return
	}
	l.pump(ctx, client, server.(*net.TCPConn))
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
