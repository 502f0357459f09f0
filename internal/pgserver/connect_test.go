package pgserver_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"go.uber.org/goleak"

	"github.com/fairlead-dev/fairlead/internal/pgserver"
	"github.com/fairlead-dev/fairlead/internal/testdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// healthy starts a server that takes every client.
func healthy(t *testing.T) (addr string) {
	return testdb.StartFakePostgres(t, func(*testdb.FakePostgres, string) bool { return false })
}

// listen starts a server that ends with the test, and counts its clients.
func listen(t *testing.T, serve func(net.Conn)) (addr string, clients *atomic.Int64) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	clients = new(atomic.Int64)
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			clients.Add(1)
			served.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		served.Wait()
	})
	return listener.Addr().String(), clients
}

func open(t *testing.T, timeout time.Duration, hosts ...string) *pgserver.Server {
	t.Helper()
	s, err := pgserver.New(pgserver.Options{Hosts: hosts, Database: "d", User: "u", Timeout: timeout, MaxAnswer: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A server with a stalled disk lets clients in, and fails them then. No connection is
// made to cancel that, and the next host gets its own budget.
func TestHostThatFailsAfterTheLogin(t *testing.T) {
	for range 20 {
		stalled, clients := listen(t, func(conn net.Conn) {
			f := pgproto3.NewBackend(conn, conn)
			if _, err := f.ReceiveStartupMessage(); err != nil {
				return
			}
			f.Send(&pgproto3.AuthenticationOk{})
			f.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte("1234")})
			f.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
			_ = f.Flush()
			_, _ = f.Receive() // and ends
		})
		conn, err := open(t, time.Minute, stalled, healthy(t)).Connect(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		conn.Allow()
		if _, err := conn.Exec(t.Context(), "SELECT pg_is_in_recovery()::text, current_setting").ReadAll(); err != nil {
			t.Error(err)
		}
		conn.End(context.Background())
		if n := clients.Load(); n != 1 {
			t.Fatalf("%d clients of the host that fails, want 1", n)
		}
	}
}
