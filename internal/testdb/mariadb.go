package testdb

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// MariaDB is a MariaDB server. Its superuser is root, who needs no password.
type MariaDB struct {
	*Server
	data string
}

// StartMariaDB starts a MariaDB server. Each setting is an option of its command line,
// and wins over those that are here.
func StartMariaDB(t testing.TB, settings ...string) *MariaDB {
	t.Helper()
	found := require(t, mariadb)
	m := &MariaDB{Server: newServer(t, "mariadb")}
	m.data = filepath.Join(m.Dir, "data")
	usr := filepath.Join(found.root, "usr")
	// A folder of temporary files of its own: a server that starts removes from it what
	// it takes for the leavings of another.
	tmp := "--tmpdir=" + m.Dir
	runAs(t, found.command("mariadb-install-db", "--no-defaults", "--basedir="+usr, "--datadir="+m.data, tmp,
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"))
	flags := append([]string{
		"--no-defaults", "--basedir=" + usr, "--datadir=" + m.data, tmp,
		"--lc-messages-dir=" + filepath.Join(usr, "share/mysql"),
		"--socket=" + filepath.Join(m.Dir, "s"), "--pid-file=" + filepath.Join(m.Dir, "pid"),
		"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(m.port.Number), "--skip-name-resolve",
		"--max-connections=500", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--key-buffer-size=1M", "--aria-pagecache-buffer-size=1M",
	}, settings...)
	m.command = func() *exec.Cmd { return found.command("mariadbd", flags...) }
	m.ready = func(ctx context.Context) error { return m.greets(ctx) }
	m.Start(t)
	return m
}

// greets reads what the server says to each client first.
func (s *Server) greets(ctx context.Context) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // Nothing was written.
	greeting := make([]byte, 512)
	n, err := conn.Read(greeting)
	if err != nil {
		return err
	}
	if !strings.Contains(string(greeting[:n]), "MariaDB") {
		return fmt.Errorf("it greets with %q", greeting[:n])
	}
	return nil
}
