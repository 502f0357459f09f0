package fairleadtest

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// flood is a server that writes without end to whoever connects.
type flood struct {
	written atomic.Int64  // bytes
	ended   chan struct{} // closed when one client is gone
}

func newFlood(t *testing.T) (*flood, net.Addr) {
	t.Helper()
	f := &flood{ended: make(chan struct{})}
	return f, newServer(t, func(connection *net.TCPConn) {
		defer close(f.ended)
		for block := make([]byte, 64<<10); ; {
			n, err := connection.Write(block)
			f.written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
}

// waitUntilStalled returns when nothing has been written for a while, or nothing
// will be any more.
func (f *flood) waitUntilStalled() {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for before := int64(-1); ; {
		select {
		case <-ticker.C:
		case <-f.ended:
			return
		}
		now := f.written.Load()
		if now > 0 && now == before {
			return
		}
		before = now
	}
}

// A reader that has stalled must feel like one to the server, and must not keep
// the proxy from failing, nor from ending: goleak looks for what stays behind.
func TestProxyFaultsWhileReaderStalls(t *testing.T) {
	server, address := newFlood(t)
	proxy := newProxy(t, address)
	dial(t, proxy)
	server.waitUntilStalled()
	if err := errors.Join(proxy.BlackHole(), proxy.Slow(time.Millisecond, 1<<20), proxy.Restore()); err != nil {
		t.Fatal(err)
	}
	proxy.Cut()
	<-server.ended
}

// A reader that goes away with bytes under way must leave nothing behind.
func TestProxyEndsAfterReaderLeft(t *testing.T) {
	server, address := newFlood(t)
	proxy := newProxy(t, address)
	reader := dial(t, proxy)
	server.waitUntilStalled()
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	<-server.ended
}
