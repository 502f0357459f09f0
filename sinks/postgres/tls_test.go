package postgres_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testca"
	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/internal/testserver"
)

// The sink of the program's flag, which verifies the server, shows a certificate, and
// reads its files for each connection.
func TestTLS(t *testing.T) {
	d := start(t)
	schema := d.schema(t)
	newCA := func() *testca.CA {
		ca, err := testca.New("test")
		if err != nil {
			t.Fatal(err)
		}
		return ca
	}
	servers, users := newCA(), newCA()
	pair, err := servers.Server()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"ssl_cert_file": pair.Cert, "ssl_key_file": pair.Key, "ssl_ca_file": users.PEM()} {
		d.exec(t, `ALTER SYSTEM SET `+name+` = '`+testdb.File(t, name, text)+`'`)
	}
	d.exec(t, `ALTER SYSTEM SET ssl = on`)
	d.exec(t, `SELECT pg_reload_conf()`)
	testserver.Poll(t, "the server has TLS", func() bool { return d.exec(t, `SHOW ssl`)[0] == "on" })

	client, err := users.Client("the-client", nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca := file("ca", servers.PEM())
	spec, err := parse("postgres://fairlead@" + d.addr + "/postgres?schema=" + schema + "&password-file=" + file("password", []byte("wrong\n")) +
		"&ca=" + ca + "&cert=" + file("cert", client.Cert) + "&key=" + file("key", client.Key))
	if err != nil {
		t.Fatal(err)
	}
	s := opened(t, spec)
	fails(t, s, "password authentication failed", "check user and password-file")
	file("password", []byte(password+"\n"))
	write(t, s, pod("a", 1, 1))
	seen := d.exec(t, `SELECT client_dn, application_name FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'fairlead' AND ssl`)
	if len(seen) != 1 || !strings.Contains(seen[0], "the-client") || !strings.Contains(seen[0], "fairlead/test") {
		t.Errorf("the server sees %q", seen)
	}
	// Another CA, once there is a new connection.
	file("ca", users.PEM())
	d.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'fairlead'`)
	fails(t, s, "") // the old connection
	fails(t, s, "certificate")
	file("ca", servers.PEM())
	write(t, s, pod("a", 1, 2))
}
