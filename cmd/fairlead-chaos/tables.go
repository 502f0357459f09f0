package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/replay"
)

// tables are those of a PostgreSQL server.
type tables struct{ *lab.Tables }

func startTables(t testing.TB, d *destination) {
	t.Helper()
	s := tables{lab.StartTables(t)}
	d.server, d.addr = s, s.Addr()
	d.sink = s.Sink(d.listens, "tables=both&timeout=5s&name="+theDestination)
	d.held, d.events, d.marks = s.Held, s.events, s.marks
	d.more = map[kind]stroke{
		// As a failover leaves the server that was the primary.
		"destination-read-only": {
			func(ctx context.Context) error { return s.readOnly(ctx, "on") },
			func(ctx context.Context) error { return s.readOnly(ctx, "off") },
		},
		"destination-disconnects": {
			func(ctx context.Context) error {
				_, err := s.Query(ctx, `SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`)
				return err
			},
			func(context.Context) error { return nil },
		},
	}
}

func (s tables) readOnly(ctx context.Context, value string) error {
	for _, sql := range []string{
		"ALTER SYSTEM SET default_transaction_read_only = " + value,
		"SELECT pg_reload_conf()::text",
	} {
		if _, err := s.Query(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

func (s tables) events(ctx context.Context) ([]replay.Event, error) {
	rows, err := s.Query(ctx, `SELECT cluster, resource, namespace, name, uid, id, resource_version, op, term, sequence FROM fairlead_history ORDER BY position`)
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
func (s tables) marks(ctx context.Context) (map[replay.Object]mark, error) {
	rows, err := s.Query(ctx, `SELECT cluster, resource, namespace, name, term, sequence FROM fairlead_state`)
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
