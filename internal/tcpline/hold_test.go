package tcpline

import (
	"bufio"
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/loopback"
)

// What one client sends while it is held arrives after what another one sends later.
func TestHold(t *testing.T) {
	dial := func(address string) net.Conn {
		t.Helper()
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	server, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	got := make(chan string)
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for s := bufio.NewScanner(c); s.Scan(); {
					got <- s.Text()
				}
			}()
		}
	}()
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	defer port.Release() //nolint:errcheck // It has been used.
	l := New(server.Addr().String())
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port.Number))
	if err := l.Open(address); err != nil {
		t.Fatal(err)
	}
	defer l.Cut()
	send := func(c net.Conn, text string) {
		t.Helper()
		if _, err := c.Write([]byte(text + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	arrives := func(want string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		select {
		case text := <-got:
			if text != want {
				t.Errorf("%q arrives, want %q", text, want)
			}
		case <-ctx.Done():
			t.Fatalf("%q has not arrived", want)
		}
	}
	waits := func(h *Hold, want int) {
		t.Helper()
		limit, again := time.After(time.Minute), time.NewTicker(time.Millisecond)
		defer again.Stop()
		for h.Waits(1) != want {
			select {
			case <-again.C:
			case <-limit:
				t.Fatalf("%d connections wait, want %d", h.Waits(1), want)
			}
		}
	}
	first := dial(address)
	send(first, "before")
	arrives("before")
	h := l.Hold()
	if n := h.Waits(1); n != 0 {
		t.Errorf("%d connections wait, and nothing was sent", n)
	}
	send(first, "first")
	waits(h, 1)
	if n := h.Waits(int64(len("first\n")) + 1); n != 0 {
		t.Errorf("%d connections wait with more than was sent", n)
	}
	second := dial(address)
	send(second, "second")
	arrives("second")
	if n := h.Release(1); n != 1 {
		t.Errorf("%d connections are released, want 1", n)
	}
	arrives("first")
	send(first, "after")
	arrives("after")

	// What has ended waits for nothing.
	h = l.Hold()
	send(first, "lost")
	waits(h, 1)
	l.Cut()
	if n := h.Release(1); n != 0 {
		t.Errorf("%d connections are released of a line that is cut, want none", n)
	}
}
