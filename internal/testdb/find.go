package testdb

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/aptcache"
)

// kind is what the folder in the cache is called.
const kind = "databases"

// requireEnv is the variable with which no test is skipped for lack of a server, see
// fairleadtest.RequireEnv.
const requireEnv = "FAIRLEAD_REQUIRE_CONTROL_PLANE"

// server is a database server that tests can start.
type server struct {
	name     string
	packages []string // of Debian and what derives from it
	programs []string
}

var (
	postgresql = server{"postgresql", []string{"postgresql"}, []string{"postgres", "initdb", "pg_basebackup"}}
	pgbouncer  = server{"pgbouncer", []string{"pgbouncer"}, []string{"pgbouncer"}}
	mariadb    = server{"mariadb", []string{"mariadb-server-core", "mariadb-client-core"}, []string{"mariadbd", "mariadb-install-db"}}
)

// servers are those that Fetch gets.
var servers = []server{postgresql, pgbouncer, mariadb}

// errNotFound is what find returns where a server is in none of the places that it
// knows.
var errNotFound = errors.New("it is not installed, and not in the cache: run `make databases` once, where there is apt-get")

// installed is a server that was found.
type installed struct {
	root     string            // "/" or a folder of the cache
	programs map[string]string // paths by name
}

// find looks for a server, first in the system.
func find(s server) (installed, error) {
	cache, err := aptcache.Dir(kind)
	if err != nil {
		return installed{}, err
	}
	for _, root := range []string{"/", filepath.Join(cache, s.name)} {
		if found := (installed{root: root, programs: map[string]string{}}); found.holds(s) {
			return found, nil
		}
	}
	return installed{}, fmt.Errorf("find %s: %w", s.name, errNotFound)
}

// holds looks for all programs of a server.
func (i *installed) holds(s server) bool {
	for _, program := range s.programs {
		path := i.look(program)
		if path == "" {
			return false
		}
		i.programs[program] = path
	}
	return true
}

func (i *installed) look(program string) string {
	if i.root == "/" {
		if path, err := exec.LookPath(program); err == nil {
			return path
		}
	}
	versions, _ := filepath.Glob(filepath.Join(i.root, "usr/lib/postgresql/*/bin"))
	slices.Reverse(versions) // the newest first
	for _, dir := range slices.Concat([]string{filepath.Join(i.root, "usr/sbin"), filepath.Join(i.root, "usr/bin")}, versions) {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// command returns a command of the server that finds its libraries and is not run
// by root.
func (i *installed) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(i.programs[program], args...) //nolint:noctx // A server outlives the call that starts it.
	cmd.Env = []string{"PATH=" + filepath.Dir(i.programs[program]) + ":/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "TZ=GMT", "HOME=/"}
	if i.root != "/" {
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+strings.Join(aptcache.Libraries(i.root), ":"))
	}
	notRoot(cmd)
	return cmd
}

// require returns a server. Without it the test is skipped, also with -short; where
// tests must not be skipped for lack of a control plane, and the server could be
// fetched, the test fails.
func require(t testing.TB, s server) installed {
	t.Helper()
	required := os.Getenv(requireEnv) != ""
	if testing.Short() && !required {
		t.Skip("needs a database server: skipped with -short")
	}
	found, err := find(s)
	switch {
	case err == nil:
		return found
	case required && aptcache.Available():
		t.Fatal(err)
	}
	t.Skip(err)
	return installed{}
}
