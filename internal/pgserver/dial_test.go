package pgserver_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// hole is a server that takes what clients send, and never answers.
func hole(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// An address that does not answer leaves time for the others, and is not tried first
// again.
func TestAddressThatDoesNotAnswer(t *testing.T) {
	t.Parallel() // it waits
	dead, clients := listen(t, hole)
	alive := healthy(t)
	s := open(t, 20*time.Second, "db") // each may take ten
	s.Lookup(func(context.Context, string) ([]string, error) { return []string{dead, alive}, nil })
	for range 3 {
		conn, err := s.Connect(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		conn.End(context.Background())
	}
	if n := clients.Load(); n != 1 {
		t.Errorf("%d clients of the address that does not answer, want 1", n)
	}
}

// Hosts are tried to the last one, and what each says is shown.
func TestHostThatLetsNobodyIn(t *testing.T) {
	old, clients := listen(t, func(conn net.Conn) {
		f := pgproto3.NewBackend(conn, conn)
		if _, err := f.ReceiveStartupMessage(); err != nil {
			return
		}
		f.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: "another password"})
		_ = f.Flush()
	})
	conn, err := open(t, time.Minute, old, healthy(t)).Connect(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.End(context.Background())
	if n := clients.Load(); n != 1 {
		t.Errorf("%d clients of the first host, want 1", n)
	}
	_, err = open(t, time.Minute, old, "127.0.0.1:1").Connect(t.Context(), nil)
	if err == nil || strings.Count(err.Error(), "another password") != 1 || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "\n") {
		t.Errorf("two hosts that will not do: %v", err)
	}
}

func TestHostWithoutAddresses(t *testing.T) {
	s := open(t, time.Minute, "db")
	s.Lookup(func(context.Context, string) ([]string, error) { return nil, nil })
	if _, err := s.Connect(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "db: it has no address") {
		t.Errorf("%v", err)
	}
}
