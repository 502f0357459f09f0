package testdb

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// StartPgbouncer starts a pgbouncer in front of the server. It has two connections to
// it for each user and database, and gives a client another one for each
// transaction. Passwords are those of the users that may log in.
func (p *Postgres) StartPgbouncer(t testing.TB, passwords map[string]string) *Server {
	t.Helper()
	found := require(t, pgbouncer)
	s := newServer(t, "pgbouncer")
	var users strings.Builder
	for _, user := range slices.Sorted(maps.Keys(passwords)) {
		fmt.Fprintf(&users, "%q %q\n", user, passwords[user])
	}
	config := File(t, "pgbouncer.ini", fmt.Appendf(nil, `[databases]
* = host=127.0.0.1 port=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s
pool_mode = transaction
default_pool_size = 2
server_round_robin = 1
`, p.port.Number, s.port.Number, File(t, "users", []byte(users.String()))))
	s.command = func() *exec.Cmd { return found.command("pgbouncer", config) }
	s.ready = func(ctx context.Context) error { return s.answers(ctx) }
	s.Start(t)
	return s
}
