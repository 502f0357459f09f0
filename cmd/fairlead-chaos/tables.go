package main

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/replay"
)

// tables are those of a PostgreSQL server.
type tables struct{ *lab.Tables }

func startTables(t testing.TB) started {
	t.Helper()
	s := tables{lab.StartTables(t)}
	return started{s, s.Addr(), func(d *destination, address string) {
		d.sink = s.Sink(address, "tables=both&timeout=5s&name="+theDestination)
		d.held, d.events = s.Held, s.events
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
	}}
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
		term, err := strconv.ParseUint(r[8], 10, 64)
		if err != nil {
			return nil, err
		}
		sequence, err := strconv.ParseUint(r[9], 10, 64)
		if err != nil {
			return nil, err
		}
		events = append(events, replay.Event{
			Object: replay.Object{Cluster: r[0], Resource: r[1], Namespace: r[2], Name: r[3], UID: r[4]},
			ID:     r[5], ResourceVersion: r[6], Deleted: r[7] == "deleted",
			Term: fmt.Sprintf("%020d", term), Sequence: fmt.Sprintf("%020d", sequence),
		})
	}
	return events, nil
}
