package postgres_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testca"
	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/postgres"
)

func newCA(t testing.TB) *testca.CA {
	t.Helper()
	ca, err := testca.New("test")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func write(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The lock of the program's flag, which verifies the server, shows a certificate, and
// reads its files anew.
func TestTLS(t *testing.T) {
	d := start(t)
	servers, users := newCA(t), newCA(t)
	pair, err := servers.Server()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"ssl_cert_file": pair.Cert, "ssl_key_file": pair.Key, "ssl_ca_file": users.PEM()} {
		d.exec(t, `ALTER SYSTEM SET `+name+` = '`+testdb.File(t, name, text)+`'`)
	}
	d.exec(t, `ALTER SYSTEM SET ssl = on`)
	d.exec(t, `SELECT pg_reload_conf()`)
	until(t, "the server has TLS", func() bool { return d.exec(t, `SHOW ssl`)[0] == "on" })

	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	client, err := users.Client("the-client", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"ca": servers.PEM(), "cert": client.Cert, "key": client.Key, "password": []byte("wrong\n")} {
		write(t, file(name), text)
	}
	text := "postgres://fairlead@" + d.addr + "/postgres?password-file=" + file("password") + "&ca=" + file("ca") + "&cert=" + file("cert") + "&key=" + file("key")
	s, err := locks.Parse([]locks.Kind{postgres.Kind()}, text)
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Open(t.Context(), locks.Env{Identity: "a", UserAgent: "fairlead/test"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.(*locks.Lock).Close()
	if err := l.Create(t.Context(), by("a")); err == nil || !strings.Contains(err.Error(), "password authentication failed") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("with a wrong password: %v", err)
	}
	write(t, file("password"), []byte(password+"\n"))
	if err := l.Create(t.Context(), by("a")); err != nil {
		t.Fatal(err)
	}
	seen := d.exec(t, `SELECT concat(client_dn, ' ', application_name) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'fairlead' AND ssl`)
	if len(seen) != 1 || !strings.Contains(seen[0], "the-client") || !strings.Contains(seen[0], "fairlead/test") {
		t.Errorf("the server sees %q", seen)
	}
	// Another CA, once there is a new connection.
	write(t, file("ca"), users.PEM())
	d.exec(t, kick)
	_, _, _ = l.Get(t.Context()) // the old connection
	if _, _, err := l.Get(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("with the CA of others: %v", err)
	}
}
