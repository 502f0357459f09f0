package fairleadtest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/loopback"
)

// The line is tested on servers of this process. What it does to TLS and to an API
// server, proxy_test.go shows.

// newProxy returns a proxy in front of whoever listens at an address.
func newProxy(t *testing.T, to net.Addr) *Proxy {
	t.Helper()
	cluster := &Cluster{name: "server", port: &loopback.Port{Number: to.(*net.TCPAddr).Port}}
	proxy, err := cluster.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(proxy.Close(), proxy.Close()); err != nil {
			t.Error(err)
		}
	})
	return proxy
}

// dial connects to the proxy. What is not there within a minute will never be.
func dial(t *testing.T, proxy *Proxy) *net.TCPConn {
	t.Helper()
	connection, err := net.Dial("tcp", proxy.listens)
	if err != nil {
		t.Fatal(err)
	}
	if err := connection.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return connection.(*net.TCPConn)
}

// newServer has each connection served until the end of the test.
func newServer(t *testing.T, serve func(*net.TCPConn)) net.Addr {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer connection.Close()
				serve(connection.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		running.Wait()
	})
	return listener.Addr()
}

// repeat sends back what comes once it has all of it, so that only an end that passes
// through the proxy brings an answer.
func repeat(connection *net.TCPConn) {
	all, err := io.ReadAll(connection)
	if err == nil {
		_, _ = connection.Write(all)
	}
}

// answer sends a text and returns what comes back.
func answer(t *testing.T, connection *net.TCPConn, text []byte) ([]byte, error) {
	t.Helper()
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() {
		if _, err := connection.Write(text); err == nil {
			_ = connection.CloseWrite()
		}
	})
	return io.ReadAll(connection)
}

func TestProxyCarriesEveryByteInOrder(t *testing.T) {
	proxy := newProxy(t, newServer(t, repeat))
	text := make([]byte, 3<<20)
	for i := range text {
		text[i] = byte(i * i >> 7)
	}
	for name, fault := range map[string]func() error{
		"none":    proxy.Restore,
		"latency": func() error { return proxy.Slow(time.Millisecond, 0) },
		"rate":    func() error { return proxy.Slow(0, 64<<20) },
		"both":    func() error { return proxy.Slow(time.Millisecond, 64<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := fault(); err != nil {
				t.Fatal(err)
			}
			got, err := answer(t, dial(t, proxy), text)
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("got %d bytes, %v, want the %d that were sent", len(got), err, len(text))
			}
		})
	}
}

// What waits for a fault does not wait for its time when the fault ends.
func TestProxyHeedsANewFaultAtOnce(t *testing.T) {
	proxy := newProxy(t, newServer(t, repeat))
	for name, fault := range map[string]func() error{
		"latency":    func() error { return proxy.Slow(24*time.Hour, 0) },
		"rate":       func() error { return proxy.Slow(0, 1) },
		"black hole": proxy.BlackHole,
	} {
		t.Run(name, func(t *testing.T) {
			if err := fault(); err != nil {
				t.Fatal(err)
			}
			client := dial(t, proxy)
			text := bytes.Repeat([]byte("late"), 64<<10)
			if _, err := client.Write(text); err != nil {
				t.Fatal(err)
			}
			if err := proxy.Restore(); err != nil {
				t.Fatal(err)
			}
			if got, err := answer(t, client, nil); err != nil || !bytes.Equal(got, text) {
				t.Errorf("got %d bytes, %v, want the %d that were sent", len(got), err, len(text))
			}
		})
	}
}

func TestProxyReset(t *testing.T) {
	proxy := newProxy(t, newServer(t, repeat))
	for range 2 { // The second time there are connections that were reset before.
		client := dial(t, proxy)
		waitUntilCarried(t, proxy, 1)
		proxy.Reset()
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read from a connection that was reset: got %v", err)
		}
		waitUntilCarried(t, proxy, 0)
	}
	if got, err := answer(t, dial(t, proxy), []byte("again")); err != nil || string(got) != "again" {
		t.Errorf("on a new connection: got %q, %v", got, err)
	}
}

// waitUntilCarried returns when the proxy carries so many connections.
func waitUntilCarried(t *testing.T, proxy *Proxy, want int) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for limit := time.After(time.Minute); ; {
		got := proxy.line.Connections()
		if got == want {
			return
		}
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatalf("the proxy carries %d connections, want %d", got, want)
		}
	}
}

func TestProxyOfAServerThatIsOff(t *testing.T) {
	port, err := loopback.Reserve() // so that nobody else listens there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := port.Release(); err != nil {
			t.Error(err)
		}
	})
	proxy := newProxy(t, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port.Number})
	if n, err := dial(t, proxy).Read(make([]byte, 1)); err == nil || errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("read: got %d bytes, %v, want the end", n, err)
	}
	proxy.Cut()
	if _, err := net.Dial("tcp", proxy.listens); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial a proxy that is cut: got %v, want connection refused", err)
	}
	if err := errors.Join(proxy.Close(), proxy.Restore()); err == nil {
		t.Error("a proxy that is closed was restored")
	}
}
