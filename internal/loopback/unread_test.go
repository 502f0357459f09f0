package loopback_test

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/loopback"
)

func TestUnread(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it is told on Linux only")
	}
	server, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	address := server.Addr().String()
	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if loopback.Unread(address) || loopback.Unread("nowhere") {
		t.Error("something is unread, and nothing was sent")
	}
	is := func(want bool) {
		t.Helper()
		limit, again := time.After(time.Minute), time.NewTicker(time.Millisecond)
		defer again.Stop()
		for loopback.Unread(address) != want {
			select {
			case <-again.C:
			case <-limit:
				t.Fatalf("unread: %v, want %v", !want, want)
			}
		}
	}
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	is(true) // also while nobody has accepted the connection
	at, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	is(true)
	if _, err := io.ReadFull(at, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	is(false)
}
