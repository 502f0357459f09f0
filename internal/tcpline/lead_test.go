package tcpline

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/loopback"
)

// A line that is open leads new connections elsewhere, and lets those of before be.
func TestLead(t *testing.T) {
	server := func(name string) string {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					for s := bufio.NewScanner(c); s.Scan(); {
						_, _ = io.WriteString(c, name+"\n")
					}
				}()
			}
		}()
		return listener.Addr().String()
	}
	l := New(server("first"))
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(loopback.Keep(t)))
	if err := l.Open(address); err != nil {
		t.Fatal(err)
	}
	defer l.Cut()
	dial := func() *bufio.ReadWriter {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c))
	}
	answers := func(c *bufio.ReadWriter, want string) {
		t.Helper()
		if _, err := c.WriteString("who?\n"); err != nil {
			t.Fatal(err)
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		if got, err := c.ReadString('\n'); got != want+"\n" {
			t.Errorf("%q answers, %v; want %s", got, err, want)
		}
	}
	before := dial()
	answers(before, "first")
	l.Lead(server("second"))
	answers(dial(), "second")
	answers(before, "first")
}
