package testnats

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/fairlead-dev/fairlead/internal/loopback"
)

// patience is how long a server may take until it takes connections.
const patience = time.Minute

// Server is a NATS server.
type Server struct {
	// Server is what runs, or what ran last; nil before the first Start.
	*server.Server
	// Options are those of the next Start.
	Options server.Options
}

// New returns a server that is not started yet, with JetStream, in a folder and on a port
// of its own.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{Options: server.Options{
		Host: "127.0.0.1", Port: loopback.Keep(t), JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
		AuthTimeout: 60, TLSTimeout: 60, // seconds: the defaults end logins on a machine that is busy
	}}
	t.Cleanup(s.Kill)
	return s
}

// Address is 127.0.0.1:PORT.
func (s *Server) Address() string {
	return net.JoinHostPort(s.Options.Host, strconv.Itoa(s.Options.Port))
}

// Start starts it, with what it had, and returns when it takes connections.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	options := s.Options // the server keeps, and completes, what it is given
	started, err := server.NewServer(&options)
	if err != nil {
		t.Fatal(err)
	}
	started.Start()
	s.Server = started
	if !started.ReadyForConnections(patience) {
		t.Fatalf("the NATS server is not ready within %v", patience)
	}
}

// Kill ends it, if it runs, and all connections.
func (s *Server) Kill() {
	if s.Server != nil {
		s.Shutdown()
		s.WaitForShutdown()
	}
}
