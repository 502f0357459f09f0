package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/testdb"
)

// tables are those of a PostgreSQL server.
type tables struct {
	// now is the server that is the primary, with the password that it knows. Others look
	// while a fault changes it.
	now     atomic.Pointer[lab.Tables]
	standby *testdb.Postgres // nil: there is none
}

// Kill is kill -9 of the primary, and Start has it back.
func (s *tables) Kill(t testing.TB)  { s.now.Load().Kill(t) }
func (s *tables) Start(t testing.TB) { s.now.Load().Start(t) }

func startTables(t testing.TB, d *destination) {
	t.Helper()
	s, first := &tables{}, lab.StartTables(t)
	s.now.Store(first)
	password := first.Password
	d.server, d.addr = s, first.Addr()
	d.sink = first.Sink(d.listens, "tables=both&timeout=5s&name="+theDestination)
	d.events, d.marks, d.unique = s.events, s.marks, true
	d.held = func(ctx context.Context) (map[replay.Object]string, error) { return s.now.Load().Held(ctx) }
	d.more = map[kind]stroke{
		destinationReadOnly: {
			func(ctx context.Context) error { return s.readOnly(ctx, "on") },
			func(ctx context.Context) error { return s.readOnly(ctx, "off") },
		},
		// The password is another one, and the file of it is not renewed yet.
		destinationDenies: {
			func(ctx context.Context) error { return s.password(ctx, "another-"+password) },
			func(ctx context.Context) error { return s.password(ctx, password) },
		},
		destinationDisconnects: {
			s.disconnect,
			func(context.Context) error { return nil },
		},
	}
	d.takeover = &takeover{
		prepare: func(ctx context.Context) error { return d.rig.Do(ctx, s.follow) },
		move: func(ctx context.Context) error {
			if err := d.rig.Do(ctx, s.failOver); err != nil {
				return err
			}
			return d.lead(s.now.Load().Addr())
		},
	}
}

// standbyName is that of the next primary, as the present one calls it.
const standbyName = "next"

// follow starts a standby, without which the server accepts nothing from then on.
func (s *tables) follow(t testing.TB) {
	s.standby = s.now.Load().StartStandby(t, standbyName)
	for _, sql := range []string{"ALTER SYSTEM SET synchronous_standby_names = '" + standbyName + "'", "SELECT pg_reload_conf()::text"} {
		if _, err := s.now.Load().Query(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	err := lab.WaitUntil(t.Context(), failoverWatch, func() error {
		rows, err := s.now.Load().Query(t.Context(), "SELECT sync_state FROM pg_stat_replication")
		if err == nil && (len(rows) != 1 || rows[0][0] != "sync") {
			err = fmt.Errorf("the standby is not synchronous: %v", rows)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// failOver kills the server, and has the standby take its place.
func (s *tables) failOver(t testing.TB) {
	s.Kill(t)
	next := *s.now.Load()
	next.Postgres = s.standby
	s.now.Store(&next)
	if _, err := s.now.Load().Query(t.Context(), "SELECT pg_promote()::text"); err != nil {
		t.Fatal(err)
	}
}

// password sets that of the user, and ends all sessions.
func (s *tables) password(ctx context.Context, text string) error {
	if _, err := s.now.Load().Query(ctx, "ALTER ROLE postgres PASSWORD '"+text+"'"); err != nil {
		return err
	}
	next := *s.now.Load()
	server := *next.Postgres
	server.Password, next.Postgres = text, &server
	s.now.Store(&next)
	return s.disconnect(ctx)
}

func (s *tables) disconnect(ctx context.Context) error {
	_, err := s.now.Load().Query(ctx, `SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`)
	return err
}

func (s *tables) readOnly(ctx context.Context, value string) error {
	for _, sql := range []string{
		"ALTER SYSTEM SET default_transaction_read_only = " + value,
		"SELECT pg_reload_conf()::text",
	} {
		if _, err := s.now.Load().Query(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

func (s *tables) events(ctx context.Context) ([]replay.Event, error) {
	rows, err := s.now.Load().Query(ctx, `SELECT cluster, resource, namespace, name, uid, id, resource_version, op, term, sequence FROM fairlead_history ORDER BY position`)
	if err != nil {
		return nil, err
	}
	var events []replay.Event
	for _, r := range rows {
		m, err := newMark(r[8], r[9])
		if err != nil {
			return nil, err
		}
		events = append(events, replay.Event{
			Object: replay.Object{Cluster: r[0], Resource: r[1], Namespace: r[2], Name: r[3], UID: r[4]},
			ID:     r[5], ResourceVersion: r[6], Deleted: r[7] == "deleted",
			Term: fmt.Sprintf("%020d", m.term), Sequence: fmt.Sprintf("%020d", m.sequence),
		})
	}
	return events, nil
}

// marks are those of all rows, of what is gone too.
func (s *tables) marks(ctx context.Context) (map[replay.Object]mark, error) {
	rows, err := s.now.Load().Query(ctx, `SELECT cluster, resource, namespace, name, term, sequence FROM fairlead_state`)
	if err != nil {
		return nil, err
	}
	marks := map[replay.Object]mark{}
	for _, r := range rows {
		m, err := newMark(r[4], r[5])
		if err != nil {
			return nil, err
		}
		marks[replay.Object{Cluster: r[0], Resource: r[1], Namespace: r[2], Name: r[3]}] = m
	}
	return marks, nil
}
