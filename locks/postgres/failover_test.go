package postgres_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/postgres"
)

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

// synchronous has the server wait for a standby of that name with each commit.
func (d *database) synchronous(t testing.TB, name string) {
	t.Helper()
	d.exec(t, `ALTER SYSTEM SET synchronous_standby_names = '`+name+`'`)
	d.exec(t, `SELECT pg_reload_conf()`)
	until(t, "the server has read its configuration", func() bool {
		return d.exec(t, `SHOW synchronous_standby_names`)[0] == name
	})
}

func TestFailover(t *testing.T) {
	d := start(t)
	standby := d.StartStandby(t, "second")
	d.synchronous(t, "second")
	hosts := []string{standby.Addr(), d.Addr()}
	first := open(t, postgres.Options{Hosts: hosts, Name: "x", Identity: "first"})
	second := open(t, postgres.Options{Hosts: hosts, Name: "x", Identity: "second"})
	alone := open(t, postgres.Options{Hosts: hosts[:1], Name: "x", Identity: "alone"})
	create(t, first)
	if r, _, err := second.Get(t.Context()); err != nil || r.HolderIdentity != "first" {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, _, err := alone.Get(t.Context()); err == nil || !strings.Contains(err.Error(), "it is a standby") {
		t.Errorf("a standby is read: %v", err)
	}
	d.Kill(t)
	query(t, standby, `SELECT pg_promote()`)
	if _, _, err := second.Get(t.Context()); err == nil {
		t.Error("an answer of a server that has ended")
	}
	until(t, "the promoted standby is found", func() bool {
		r, _, err := second.Get(t.Context())
		return err == nil && r.HolderIdentity == "first" // nothing is lost
	})
	if err := second.Update(t.Context(), by("second")); err != nil || second.Token() <= first.Token() {
		t.Errorf("%v, with the token %d after %d", err, second.Token(), first.Token())
	}
	d.Start(t) // the old primary, which has synchronous standbys that do not come
	old := open(t, postgres.Options{Hosts: hosts[1:], Name: "x", Identity: "old", Timeout: time.Second})
	until(t, "the old primary is read", func() bool {
		_, _, err := old.Get(t.Context())
		return err == nil
	})
	if err := old.Update(t.Context(), by("old")); err == nil {
		t.Error("a primary without its synchronous standby confirms a write")
	}
}

// A server that was told not to wait for its standbys any longer has committed, says
// so, and loses it with the next failover.
func TestCommitThatDidNotWait(t *testing.T) {
	d := start(t)
	d.exec(t, `ALTER ROLE fairlead SET synchronous_commit = off`)
	d.synchronous(t, "nobody")
	l := open(t, postgres.Options{Hosts: []string{d.addr}, Name: "x", Identity: "a", Timeout: time.Minute})
	created := make(chan error, 1)
	go func() { created <- l.Create(t.Context(), by("a")) }()
	until(t, "the commit waits", func() bool {
		return len(d.exec(t, `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = 'fairlead'`)) > 0
	})
	if err := <-created; err == nil || !strings.Contains(err.Error(), "with a warning: canceling wait for synchronous replication") {
		t.Errorf("Create: %v", err)
	}
	if l.Token() != 0 {
		t.Errorf("it has the token %d of a term that it may not have", l.Token())
	}
}

// A statement that waits is ended by the server once its client has given up.
func TestNothingIsLeftBehind(t *testing.T) {
	d := start(t)
	l := open(t, postgres.Options{Hosts: []string{d.addr}, Name: "x", Identity: "a", Timeout: 3 * time.Second})
	until(t, "the record is made", func() bool { // which may take longer than that on a busy machine
		_, _, err := l.Get(t.Context())
		if apierrors.IsNotFound(err) {
			err = l.Create(t.Context(), by("a"))
		}
		return err == nil
	})
	blocked := session(t, d.Postgres)
	defer blocked.Close(t.Context())
	if _, err := blocked.Exec(t.Context(), `BEGIN; DELETE FROM fairlead_locks`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	if err := l.Update(t.Context(), by("a")); err == nil || !strings.Contains(err.Error(), "3s") && !strings.Contains(err.Error(), "timeout") {
		t.Errorf("Update of a row that another transaction has locked: %v", err)
	}
	until(t, "no statement waits", func() bool {
		return d.exec(t, `SELECT count(*) FROM pg_stat_activity WHERE usename = 'fairlead' AND state <> 'idle'`)[0] == "0"
	})
	if _, err := blocked.Exec(t.Context(), `ROLLBACK`).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

func TestTableIsMade(t *testing.T) {
	d := start(t)
	d.exec(t, `DROP TABLE fairlead_locks`)
	d.exec(t, `DROP SEQUENCE fairlead_locks_versions`)
	missing := open(t, postgres.Options{Hosts: []string{d.addr}, Name: "x", Identity: "a", NoCreate: true})
	if _, _, err := missing.Get(t.Context()); err == nil || !strings.Contains(err.Error(), `make it and its sequence: CREATE TABLE "public"."fairlead_locks"`) {
		t.Errorf("without the table: %v", err)
	}
	o := postgres.Options{Hosts: []string{d.addr}, Name: "x", Table: "own.records"}
	o.Identity = "a"
	l := open(t, o)
	if err := l.Create(t.Context(), by("a")); err == nil || !strings.Contains(err.Error(), `schema "own" does not exist`) {
		t.Errorf("without the schema: %v", err)
	}
	d.exec(t, `CREATE SCHEMA own AUTHORIZATION fairlead`)
	errs := make(chan error)
	const at = 8
	for range at {
		l := open(t, o)
		go func() { errs <- l.Create(context.Background(), by(l.Identity())) }()
	}
	made := 0
	for range at {
		if err := <-errs; err == nil {
			made++
		} else if !strings.Contains(err.Error(), "already exists") {
			t.Errorf("one of several that make the table: %v", err)
		}
	}
	if made != 1 {
		t.Errorf("%d have made the record", made)
	}
}

// Versions grow, whatever was deleted meanwhile.
func TestVersionsGrow(t *testing.T) {
	d := start(t)
	last := uint64(0)
	for range 5 {
		l := open(t, postgres.Options{Hosts: []string{d.addr}, Name: "x", Identity: "a"})
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
		d.exec(t, `DELETE FROM fairlead_locks`)
	}
}

// A number that is drawn before the row is there may be older than one of a row that
// was made and deleted since.
func TestVersionOfARowThatHadToWait(t *testing.T) {
	d := start(t)
	l := open(t, postgres.Options{Hosts: []string{d.addr}, Name: "x", Identity: "a", Timeout: time.Minute})
	other := session(t, d.Postgres)
	defer other.Close(t.Context())
	const draw = `nextval('fairlead_locks_versions')`
	if _, err := other.Exec(t.Context(), `BEGIN; INSERT INTO fairlead_locks VALUES ('x', `+draw+`, '')`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	created := make(chan error, 1)
	go func() { created <- l.Create(t.Context(), by("a")) }()
	until(t, "Create waits", func() bool {
		return d.exec(t, `SELECT count(*) FROM pg_stat_activity WHERE usename = 'fairlead' AND wait_event_type = 'Lock'`)[0] == "1"
	})
	results, err := other.Exec(t.Context(), `UPDATE fairlead_locks SET version = `+draw+` RETURNING version; DELETE FROM fairlead_locks; COMMIT`).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	earlier, err := strconv.ParseUint(string(results[0].Rows[0][0]), 10, 64)
	if err := errors.Join(err, <-created); err != nil || l.Token() <= earlier {
		t.Errorf("token %d after %d, %v", l.Token(), earlier, err)
	}
}
