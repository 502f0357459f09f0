package mysql_test

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2" //nolint:depguard // To silence what client-go logs.

	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/locktest"
	"github.com/fairlead-dev/fairlead/locks/mysql"
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
	l, err := mysql.New(mysql.Options{Host: addr, Database: "fairlead", User: user, Name: os.Args[1], Identity: os.Args[2], NoCreate: true,
		Password: func(context.Context) (string, error) { return password, nil },
	})
	if err != nil {
		return err
	}
	return locktest.Stand(l, os.Stdin, os.Stdout)
}

// The user that locks log in as, who may do what doc.go says and no more.
const user, password = "fairlead", "fairlead-secret"

// database is a server with that user and empty tables.
type database struct{ *testdb.MariaDB }

func start(t testing.TB, settings ...string) *database {
	d := &database{testdb.StartMariaDB(t, settings...)}
	d.exec(t,
		`CREATE DATABASE fairlead`,
		`CREATE USER 'fairlead'@'%' IDENTIFIED BY 'fairlead-secret'`,
		`CREATE TABLE fairlead.fairlead_locks (name VARBINARY(255) PRIMARY KEY, version BIGINT UNSIGNED NOT NULL, record BLOB NOT NULL) ENGINE=InnoDB`,
		`CREATE TABLE fairlead.fairlead_locks_versions (name VARBINARY(255) PRIMARY KEY, version BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB`,
		grants[0], grants[1],
	)
	return d
}

var grants = []string{
	`GRANT SELECT, INSERT, UPDATE ON fairlead.fairlead_locks TO 'fairlead'@'%'`,
	`GRANT SELECT, INSERT, UPDATE ON fairlead.fairlead_locks_versions TO 'fairlead'@'%'`,
}

// session is a connection of the superuser.
func (d *database) session(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", "root@tcp("+d.Addr()+")/")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	return db
}

// exec runs statements as the superuser.
func (d *database) exec(t testing.TB, statements ...string) {
	t.Helper()
	db := d.session(t)
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// ask returns what a query returns, one value.
func (d *database) ask(t testing.TB, query string) (value string) {
	t.Helper()
	db := d.session(t)
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), query).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

// kick ends the connections of locks.
func (d *database) kick(t testing.TB) {
	t.Helper()
	db := d.session(t)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT id FROM information_schema.processlist WHERE user = 'fairlead'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var ids []int
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		_, _ = db.ExecContext(t.Context(), fmt.Sprint(`KILL `, id)) // it may have ended
	}
}

// open returns a lock that is closed with the test.
func open(t testing.TB, o mysql.Options) *locks.Lock {
	t.Helper()
	o.Database, o.User = "fairlead", cmp.Or(o.User, user)
	if o.Password == nil && o.User == user {
		o.Password = func(context.Context) (string, error) { return password, nil }
	}
	l, err := mysql.New(o)
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
			return open(t, mysql.Options{Host: d.Addr(), Name: name, Identity: identity, NoCreate: true})
		},
		Delete: func(t testing.TB) {
			d.exec(t, `DELETE FROM fairlead.fairlead_locks WHERE name = '`+name+`'`)
		},
		Process: func(_ testing.TB, identity string) *exec.Cmd {
			cmd := exec.Command(os.Args[0], name, identity)
			cmd.Env = append(os.Environ(), childEnv+"="+d.Addr())
			return cmd
		},
	}
}

func TestConformance(t *testing.T) {
	t.Run("defaults", func(t *testing.T) { locktest.Run(t, start(t).backend) })
	t.Run("other modes", func(t *testing.T) {
		locktest.Run(t, start(t, "--sql-mode=NO_BACKSLASH_ESCAPES,ANSI", "--character-set-server=latin1", "--transaction-isolation=SERIALIZABLE",
			"--lower-case-table-names=1", "--auto-increment-increment=7").backend)
	})
}

func TestElection(t *testing.T) {
	d := start(t)
	locktest.RunElection(t, d.backend)
	locktest.RunHistories(t, d.backend, 3)
}

func TestBroken(t *testing.T) {
	d := start(t)
	for name, b := range map[string]struct{ breaks, repairs func(t testing.TB) }{
		"refuses": {d.Kill, d.Start},
		"silent":  {d.Pause, d.Resume},
		"wrong password": {
			func(t testing.TB) { d.exec(t, `ALTER USER 'fairlead'@'%' IDENTIFIED BY 'another'`); d.kick(t) },
			func(t testing.TB) { d.exec(t, `ALTER USER 'fairlead'@'%' IDENTIFIED BY 'fairlead-secret'`) },
		},
		"no rights": {
			func(t testing.TB) { d.exec(t, `REVOKE ALL ON fairlead.fairlead_locks FROM 'fairlead'@'%'`) },
			func(t testing.TB) { d.exec(t, grants...) },
		},
		"read only": {
			func(t testing.TB) { d.exec(t, `SET GLOBAL read_only = ON`) },
			func(t testing.TB) { d.exec(t, `SET GLOBAL read_only = OFF`) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			locktest.RunBroken(t, func(t testing.TB) locktest.Breakable {
				return locktest.Breakable{Backend: d.backend(t), Break: b.breaks, Repair: b.repairs, Secrets: []string{password}}
			})
		})
	}
}

// by is a record that identity holds.
func by(identity string) resourcelock.LeaderElectionRecord {
	return resourcelock.LeaderElectionRecord{HolderIdentity: identity, LeaseDurationSeconds: 15}
}

func create(t testing.TB, l *locks.Lock) {
	t.Helper()
	if err := l.Create(t.Context(), by(l.Identity())); err != nil {
		t.Fatal(err)
	}
}

// until waits for a condition.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-limit:
			t.Fatalf("not so within a minute: %s", what)
		}
	}
}

func TestVersionsGrow(t *testing.T) {
	d := start(t)
	last := uint64(0)
	for _, deletes := range []string{
		`DELETE FROM fairlead.fairlead_locks`, `TRUNCATE TABLE fairlead.fairlead_locks`, `DELETE FROM fairlead.fairlead_locks`,
	} {
		l := open(t, mysql.Options{Host: d.Addr(), Name: "x", Identity: "a"})
		create(t, l)
		if l.Token() <= last {
			t.Errorf("token %d after %d", l.Token(), last)
		}
		for range 3 {
			if err := l.Update(t.Context(), by("a")); err != nil {
				t.Fatal(err)
			}
		}
		last = l.Token()
		d.exec(t, deletes)
		d.Kill(t) // a server may count anew once it has started
		d.Start(t)
	}
	// With the second table emptied the versions of a record that is there go on.
	l := open(t, mysql.Options{Host: d.Addr(), Name: "x", Identity: "b"})
	create(t, l)
	version := func() uint64 {
		number, err := strconv.ParseUint(d.ask(t, `SELECT version FROM fairlead.fairlead_locks`), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return number
	}
	before := version()
	d.exec(t, `DELETE FROM fairlead.fairlead_locks_versions`)
	if err := l.Update(t.Context(), by("b")); err != nil {
		t.Fatal(err)
	}
	if after := version(); after <= before {
		t.Errorf("version %d after %d", after, before)
	}
}

func TestTablesAreMade(t *testing.T) {
	d := start(t)
	d.exec(t, `DROP TABLE fairlead.fairlead_locks, fairlead.fairlead_locks_versions`)
	missing := open(t, mysql.Options{Host: d.Addr(), User: "root", Name: "x", Identity: "a", NoCreate: true})
	if _, _, err := missing.Get(t.Context()); err == nil || !strings.Contains(err.Error(), "make the tables: CREATE TABLE IF NOT EXISTS `fairlead_locks`") {
		t.Errorf("without the tables: %v", err)
	}
	d.exec(t, `GRANT CREATE, SELECT, INSERT, UPDATE ON fairlead.* TO 'fairlead'@'%'`)
	errs := make(chan error)
	const at = 8
	for range at {
		l := open(t, mysql.Options{Host: d.Addr(), Name: "x", Identity: "a"})
		go func() { errs <- l.Create(context.Background(), by("a")) }()
	}
	made := 0
	for range at {
		if err := <-errs; err == nil {
			made++
		} else if !strings.Contains(err.Error(), "already exists") {
			t.Errorf("one of several that make the tables: %v", err)
		}
	}
	if made != 1 {
		t.Errorf("%d have made the record", made)
	}
}

// A server that may forget a commit, or that is not the primary, is no place for a
// record, also for a user who may do everything.
func TestRefusedServers(t *testing.T) {
	d := start(t)
	for change, test := range map[string]struct{ back, want string }{
		`SET GLOBAL innodb_flush_log_at_trx_commit = 2`:            {`SET GLOBAL innodb_flush_log_at_trx_commit = 1`, "it has innodb_flush_log_at_trx_commit"},
		`SET GLOBAL read_only = ON`:                                {`SET GLOBAL read_only = OFF`, "it is read only"},
		`ALTER TABLE fairlead.fairlead_locks ENGINE=Aria`:          {`ALTER TABLE fairlead.fairlead_locks ENGINE=InnoDB`, "not both of InnoDB"},
		`ALTER TABLE fairlead.fairlead_locks_versions ENGINE=Aria`: {`ALTER TABLE fairlead.fairlead_locks_versions ENGINE=InnoDB`, "not both of InnoDB"},
	} {
		d.exec(t, change)
		for _, as := range []string{"root", user} {
			l := open(t, mysql.Options{Host: d.Addr(), User: as, Name: "x", Identity: "a"})
			_, _, got := l.Get(t.Context())
			for _, err := range []error{got, l.Create(t.Context(), by("a"))} {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: %v, want an error with %q", change, err, test.want)
				}
			}
		}
		d.exec(t, test.back)
	}
	// One that becomes a replica while the connection stands.
	l := open(t, mysql.Options{Host: d.Addr(), User: "root", Name: "x", Identity: "a"})
	create(t, l)
	d.exec(t, `SET GLOBAL read_only = ON`)
	if err := l.Update(t.Context(), by("a")); err == nil || !strings.Contains(err.Error(), "it is read only") {
		t.Errorf("Update: %v", err)
	}
}

// A statement that waits for a row is ended by the server once its client has given up.
func TestNothingIsLeftBehind(t *testing.T) {
	d := start(t)
	l := open(t, mysql.Options{Host: d.Addr(), Name: "x", Identity: "a", Timeout: 3 * time.Second})
	until(t, "the record is made", func() bool { // which may take longer than that on a busy machine
		_, _, err := l.Get(t.Context())
		if apierrors.IsNotFound(err) {
			err = l.Create(t.Context(), by("a"))
		}
		return err == nil
	})
	db := d.session(t)
	defer db.Close()
	blocked, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blocked.ExecContext(t.Context(), `DELETE FROM fairlead.fairlead_locks`); err != nil {
		t.Fatal(err)
	}
	if err := l.Update(t.Context(), by("a")); err == nil || !strings.Contains(err.Error(), "3s") && !strings.Contains(err.Error(), "timeout") {
		t.Errorf("Update of a row that another transaction has locked: %v", err)
	}
	until(t, "no connection waits", func() bool {
		return d.ask(t, `SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'fairlead'`) == "0"
	})
	if err := blocked.Rollback(); err != nil {
		t.Fatal(err)
	}
	until(t, "the record is read", func() bool {
		_, _, err := l.Get(t.Context())
		return err == nil
	})
}
