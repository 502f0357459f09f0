package postgres_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-logr/logr"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2" //nolint:depguard // To silence what client-go logs.

	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/locktest"
	"github.com/fairlead-dev/fairlead/locks/postgres"
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	if addr := os.Getenv(childEnv); addr != "" {
		if err := stand(addr); err != nil {
			fmt.Println(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// childEnv turns this test program into a process that stands in elections: it holds
// the address of a server. The arguments are name and identity.
const childEnv = "FAIRLEAD_TEST_LOCK"

func stand(addr string) error {
	l, err := postgres.New(postgres.Options{Hosts: []string{addr}, Database: "postgres", User: user, Name: os.Args[1], Identity: os.Args[2], NoCreate: true,
		Password: func(context.Context) (string, error) { return password, nil },
	})
	if err != nil {
		return err
	}
	return locktest.Stand(l, os.Stdin, os.Stdout)
}

// The user that locks log in as, who may do what doc.go says and no more.
const user, password = "fairlead", "fairlead-secret"

// database is a server with that user and an empty table.
type database struct {
	*testdb.Postgres
	addr string // where locks connect to
}

func start(t testing.TB, settings ...string) *database {
	p := testdb.StartPostgres(t, settings...)
	d := &database{p, p.Addr()}
	d.exec(t, `CREATE ROLE fairlead LOGIN PASSWORD 'fairlead-secret'`)
	d.exec(t, `CREATE TABLE public.fairlead_locks (name text COLLATE "C" PRIMARY KEY, version bigint NOT NULL, record text NOT NULL)`)
	d.exec(t, `CREATE SEQUENCE public.fairlead_locks_versions`)
	d.exec(t, `GRANT SELECT, INSERT, UPDATE ON public.fairlead_locks TO fairlead`)
	d.exec(t, `GRANT USAGE ON SEQUENCE public.fairlead_locks_versions TO fairlead`)
	return d
}

// session connects as the superuser.
func session(t testing.TB, p *testdb.Postgres) *pgconn.PgConn {
	t.Helper()
	host, port, _ := strings.Cut(p.Addr(), ":")
	conn, err := pgconn.Connect(t.Context(), fmt.Sprintf("host=%s port=%s user=postgres dbname=postgres password=%s sslmode=disable", host, port, p.Password))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// query runs statements as the superuser, and returns the first column of what the last
// one returns.
func query(t testing.TB, p *testdb.Postgres, sql string) (column []string) {
	t.Helper()
	conn := session(t, p)
	defer conn.Close(t.Context())
	results, err := conn.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	for _, row := range results[len(results)-1].Rows {
		column = append(column, string(row[0]))
	}
	return column
}

func (d *database) exec(t testing.TB, sql string) []string {
	t.Helper()
	return query(t, d.Postgres, sql)
}

// open returns a lock that is closed with the test.
func open(t testing.TB, o postgres.Options) *locks.Lock {
	t.Helper()
	o.Database, o.User = "postgres", cmp.Or(o.User, user)
	if o.Password == nil {
		o.Password = func(context.Context) (string, error) { return password, nil }
	}
	l, err := postgres.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

var names atomic.Int64

// backend is a record of a name that no other test has.
func (d *database) backend(testing.TB) locktest.Backend {
	name := fmt.Sprint("record-", names.Add(1))
	return locktest.Backend{
		Open: func(t testing.TB, identity string) resourcelock.Interface {
			return open(t, postgres.Options{Hosts: []string{d.addr}, Name: name, Identity: identity, NoCreate: true})
		},
		Delete: func(t testing.TB) {
			d.exec(t, `DELETE FROM fairlead_locks WHERE name = '`+name+`'`)
		},
		Process: func(_ testing.TB, identity string) *exec.Cmd {
			cmd := exec.Command(os.Args[0], name, identity)
			cmd.Env = append(os.Environ(), childEnv+"="+d.addr)
			return cmd
		},
	}
}

func TestConformance(t *testing.T) {
	d := start(t)
	t.Run("direct", func(t *testing.T) { locktest.Run(t, d.backend) })
	t.Run("pgbouncer", func(t *testing.T) {
		through := &database{d.Postgres, d.StartPgbouncer(t, map[string]string{user: password}).Addr()}
		locktest.Run(t, through.backend)
	})
	t.Run("isolated", func(t *testing.T) {
		d.exec(t, `ALTER ROLE fairlead SET default_transaction_isolation = 'serializable'`)
		d.exec(t, `ALTER ROLE fairlead SET synchronous_commit = off`)
		locktest.Run(t, d.backend)
	})
}

func TestElection(t *testing.T) {
	d := start(t)
	locktest.RunElection(t, d.backend)
	locktest.RunHistories(t, d.backend, 3)
}

func TestBroken(t *testing.T) {
	d := start(t)
	bouncer := &database{d.Postgres, d.StartPgbouncer(t, map[string]string{user: password}).Addr()}
	for name, b := range map[string]struct {
		*database
		breaks, repairs func(t testing.TB)
	}{
		"refuses":        {d, d.Kill, d.Start},
		"silent":         {d, d.Pause, d.Resume},
		"silent, pooled": {bouncer, d.Pause, d.Resume},
		"no such user": {
			d, func(t testing.TB) { d.exec(t, `ALTER ROLE fairlead NOLOGIN; `+kick) },
			func(t testing.TB) { d.exec(t, `ALTER ROLE fairlead LOGIN`) },
		},
		"wrong password": {
			d, func(t testing.TB) { d.exec(t, `ALTER ROLE fairlead PASSWORD 'another'; `+kick) },
			func(t testing.TB) { d.exec(t, `ALTER ROLE fairlead PASSWORD 'fairlead-secret'`) },
		},
		"no rights": {
			d, func(t testing.TB) { d.exec(t, `REVOKE ALL ON fairlead_locks FROM fairlead`) },
			func(t testing.TB) { d.exec(t, `GRANT SELECT, INSERT, UPDATE ON fairlead_locks TO fairlead`) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			locktest.RunBroken(t, func(t testing.TB) locktest.Breakable {
				return locktest.Breakable{Backend: b.backend(t), Break: b.breaks, Repair: b.repairs, Secrets: []string{password}}
			})
		})
	}
}

// kick ends the connections of locks.
const kick = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'fairlead'`
