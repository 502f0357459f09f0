//go:build unix

package connection

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"
)

// counted is a pool that knows how many buffers are out.
type counted struct{ out atomic.Int64 }

func (c *counted) Get() any { c.out.Add(1); return new([socketBuffer]byte) }
func (c *counted) Put(any)  { c.out.Add(-1) }

// waits is a RawConn that tells when a read begins to wait.
type waits struct {
	syscall.RawConn
	began chan struct{}
}

func (w waits) Read(f func(fd uintptr) bool) error {
	return w.RawConn.Read(func(fd uintptr) bool {
		done := f(fd)
		if !done {
			w.began <- struct{}{}
		}
		return done
	})
}

// despite returns what a read returns, however often it is woken for nothing and
// begins to wait again.
func despite(began <-chan struct{}, read <-chan error) error {
	for {
		select {
		case <-began:
		case err := <-read:
			return err
		}
	}
}

// TestIdleConnectionHoldsNoBuffer: while nothing comes, and once all was read.
func TestIdleConnectionHoldsNoBuffer(t *testing.T) {
	ours, theirs := pair(t)
	conn, ok := frugal(ours).(*frugalConn)
	if !ok {
		t.Fatal("a socket is not read in large pieces")
	}
	pool, began := &counted{}, make(chan struct{})
	conn.raw, conn.buffers = waits{conn.raw, began}, pool
	for range 3 {
		read := make(chan error)
		go func() {
			_, err := io.ReadFull(conn, make([]byte, 4))
			read <- err
		}()
		<-began
		if n := pool.out.Load(); n != 0 {
			t.Fatalf("%d buffers are held while nothing comes", n)
		}
		if _, err := io.WriteString(theirs, "data"); err != nil {
			t.Fatal(err)
		}
		if err := despite(began, read); err != nil {
			t.Fatal(err)
		}
		if n := pool.out.Load(); n != 0 {
			t.Fatalf("%d buffers are held when all was read", n)
		}
	}
}

// framed is a connection through something that sends a line ahead. It has the
// SyscallConn of what it embeds, which knows nothing of that.
type framed struct {
	*net.TCPConn
	from *bufio.Reader
}

func (f *framed) Read(p []byte) (int, error) {
	if f.from == nil {
		f.from = bufio.NewReader(f.TCPConn)
		if _, err := f.from.ReadString('\n'); err != nil {
			return 0, err
		}
	}
	return f.from.Read(p)
}

type prefixing struct{ net.Listener }

func (p prefixing) Accept() (net.Conn, error) {
	conn, err := p.Listener.Accept()
	if err == nil {
		_, err = io.WriteString(conn, "hello from the tunnel\n")
	}
	return conn, err
}

// TestWatchThroughADialOfOnesOwn: what a member's Dial returns is read as it
// wants to be read.
func TestWatchThroughADialOfOnesOwn(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "frame\n") }))
	server.Listener = prefixing{server.Listener}
	server.Start()
	defer server.Close()
	transport := newWatchTransport(t, server)
	d := newDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &framed{TCPConn: conn.(*net.TCPConn)}, nil
	})
	defer d.Close()
	transport.plain.DialContext = d.DialContext
	resp, err := openWatch(t.Context(), t, transport, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); string(got) != "frame\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}

	// A plain socket still is read in large pieces.
	plain := newDialer(new(net.Dialer).DialContext)
	defer plain.Close()
	conn, err := plain.DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := frugal(conn).(*frugalConn); !ok {
		t.Error("a socket of ours is not read in large pieces")
	}
}
