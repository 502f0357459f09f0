package testenv

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// flood is a server that writes without end to whoever connects.
type flood struct {
	net.Listener
	written atomic.Int64 // bytes
	ended   chan struct{}
}

func newFlood(t *testing.T) *flood {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &flood{Listener: listener, ended: make(chan struct{})}
	go func() {
		defer close(f.ended)
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		defer connection.Close()
		for block := make([]byte, 64<<10); ; {
			n, err := connection.Write(block)
			f.written.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		<-f.ended
	})
	return f
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
	server := newFlood(t)
	cluster := &Cluster{name: "flood", port: &port{number: server.Addr().(*net.TCPAddr).Port}}
	proxy, err := cluster.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := net.Dial("tcp", proxy.proxy.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	server.waitUntilStalled()
	if err := errors.Join(proxy.BlackHole(), proxy.Slow(time.Millisecond, 1<<20), proxy.Restore()); err != nil {
		t.Fatal(err)
	}
	proxy.Cut()
	<-server.ended
	if err := errors.Join(proxy.Close(), proxy.Close()); err != nil {
		t.Error(err)
	}
}

// A reader that goes away with bytes under way leaves goroutines in toxiproxy's
// links. They have to end with the proxy.
func TestProxyClosesAfterReaderLeft(t *testing.T) {
	server := newFlood(t)
	cluster := &Cluster{name: "flood", port: &port{number: server.Addr().(*net.TCPAddr).Port}}
	proxy, err := cluster.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := net.Dial("tcp", proxy.proxy.Listen)
	if err != nil {
		t.Fatal(err)
	}
	server.waitUntilStalled()
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	<-server.ended
	if err := proxy.Close(); err != nil {
		t.Error(err)
	}
}
