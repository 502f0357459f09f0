package testdb

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A server answers, is silent, refuses connections and answers again, on one port.
func TestServers(t *testing.T) {
	for name, start := range map[string]func(t *testing.T) *Server{
		"postgres": func(t *testing.T) *Server { return StartPostgres(t, "fsync = off").Server },
		"pgbouncer": func(t *testing.T) *Server {
			return StartPostgres(t, "fsync = off").StartPgbouncer(t, map[string]string{"a": "b"})
		},
		"mariadb": func(t *testing.T) *Server { return StartMariaDB(t, "--innodb-flush-log-at-trx-commit=0").Server },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.Pause(t)
			conn, err := net.Dial("tcp", s.Addr())
			if err != nil {
				t.Fatal(err)
			}
			s.Resume(t)
			if err := s.ready(t.Context()); err != nil {
				t.Error(err)
			}
			s.Kill(t)
			_, _ = io.ReadAll(conn) // until it ends, in whichever way
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
			if conn, err := net.Dial("tcp", s.Addr()); err == nil {
				t.Errorf("connections are accepted: %v", conn.Close())
			}
			s.Start(t)
		})
	}
}

func TestStandby(t *testing.T) {
	p := StartPostgres(t, "fsync = off")
	s := p.StartStandby(t, "second")
	if _, err := os.Stat(filepath.Join(s.data, "standby.signal")); err != nil || s.Addr() == p.Addr() {
		t.Errorf("no standby at %s: %v", s.Addr(), err)
	}
}

func TestNotFound(t *testing.T) {
	if _, err := find(server{"nothing", nil, []string{"no-such-database"}}); err == nil || !strings.Contains(err.Error(), "make databases") {
		t.Error(err)
	}
}
