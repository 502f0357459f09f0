package testdb

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Postgres is a PostgreSQL server. Its superuser is postgres, whose database is
// postgres. Users have to give passwords.
type Postgres struct {
	*Server
	// Password is the superuser's.
	Password string

	installed installed
	data      string
}

// StartPostgres starts a PostgreSQL server. Each setting is a line of its
// configuration, and wins over those that are here.
func StartPostgres(t testing.TB, settings ...string) *Postgres {
	t.Helper()
	p := newPostgres(t, require(t, postgresql))
	password := File(t, "password", []byte(p.Password))
	runAs(t, p.installed.command("initdb", "-D", p.data, "-U", "postgres", "-A", "scram-sha-256", "--pwfile", password, "--no-sync", "-E", "UTF8", "--locale=C"))
	p.configure(t, settings)
	p.Start(t)
	return p
}

// StartStandby starts a hot standby of the server, which follows it as the standby of
// that name.
func (p *Postgres) StartStandby(t testing.TB, name string, settings ...string) *Postgres {
	t.Helper()
	s := newPostgres(t, p.installed)
	source := fmt.Sprintf("host=127.0.0.1 port=%d user=postgres password=%s application_name=%s", p.port.Number, p.Password, name)
	runAs(t, p.installed.command("pg_basebackup", "-D", s.data, "-d", source, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync"))
	s.configure(t, settings)
	s.Start(t)
	return s
}

func newPostgres(t testing.TB, found installed) *Postgres {
	t.Helper()
	p := &Postgres{Server: newServer(t, "postgres"), Password: "superuser-secret", installed: found}
	p.data = filepath.Join(p.Dir, "data")
	p.command = func() *exec.Cmd { return found.command("postgres", "-D", p.data) }
	p.ready = func(ctx context.Context) error { return p.answers(ctx) }
	return p
}

// configure appends to the configuration, of which the last line counts.
func (p *Postgres) configure(t testing.TB, settings []string) {
	t.Helper()
	lines := append([]string{
		"",
		"listen_addresses = '127.0.0.1'",
		fmt.Sprintf("port = %d", p.port.Number),
		fmt.Sprintf("unix_socket_directories = '%s'", p.Dir),
		"shared_buffers = 16MB",
		"max_connections = 300",
		"jit = off",
	}, settings...)
	file, err := os.OpenFile(filepath.Join(p.data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = file.WriteString(strings.Join(lines, "\n") + "\n")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// answers begins to log in. A server that is not ready yet answers with an error,
// one that is asks for the password.
func (s *Server) answers(ctx context.Context) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // Nothing was written that counts.
	const hello = "\x00\x00\x00\x29\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00"
	answer := make([]byte, 512)
	if _, err := conn.Write([]byte(hello)); err != nil {
		return err
	}
	n, err := conn.Read(answer)
	if err != nil {
		return err
	}
	if answer[0] != 'R' {
		return fmt.Errorf("it answers with %q", answer[:n])
	}
	return nil
}
