package mysql_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testca"
	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/mysql"
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
	servers, users := newCA(t), newCA(t)
	pair, err := servers.Server()
	if err != nil {
		t.Fatal(err)
	}
	d := start(t, "--ssl-cert="+testdb.File(t, "cert", pair.Cert), "--ssl-key="+testdb.File(t, "key", pair.Key), "--ssl-ca="+testdb.File(t, "ca", users.PEM()))
	d.exec(t, `ALTER USER 'fairlead'@'%' REQUIRE X509`)

	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	client, err := users.Client("the-client", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"ca": servers.PEM(), "cert": client.Cert, "key": client.Key, "password": []byte("wrong\n")} {
		write(t, file(name), text)
	}
	text := "mysql://fairlead@" + d.Addr() + "/fairlead?password-file=" + file("password") + "&ca=" + file("ca") + "&cert=" + file("cert") + "&key=" + file("key")
	s, err := locks.Parse([]locks.Kind{mysql.Kind()}, text)
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Open(t.Context(), locks.Env{Identity: "a", UserAgent: "fairlead/test"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.(*locks.Lock).Close()
	if err := l.Create(t.Context(), by("a")); err == nil || !strings.Contains(err.Error(), "Access denied") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("with a wrong password: %v", err)
	}
	write(t, file("password"), []byte(password+"\n"))
	if err := l.Create(t.Context(), by("a")); err != nil {
		t.Fatal(err) // the server asks for a certificate
	}
	// Another CA, once there is a new connection.
	write(t, file("ca"), users.PEM())
	d.kick(t)
	_, _, _ = l.Get(t.Context()) // the old connection
	if _, _, err := l.Get(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("with the CA of others: %v", err)
	}
}
