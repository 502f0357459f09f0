package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/testdb"
)

// tables are those of a PostgreSQL server, read by plain SQL.
type tables struct{ *testdb.Postgres }

func startTables(t testing.TB) started {
	t.Helper()
	s := tables{testdb.StartPostgres(t)}
	password := testdb.File(t, "password", []byte(s.Password))
	return started{s.Server, s.Addr(), func(d *destination, address string) {
		d.sink = "postgres://postgres@" + address + "/postgres?tables=both&sslmode=disable&timeout=5s&password-file=" + password + "&name=" + theDestination
		d.held, d.events = s.held, s.events
		d.more = map[kind]stroke{
			// As a failover leaves the server that was the primary.
			"destination-read-only": {
				func(ctx context.Context) error { return s.readOnly(ctx, "on") },
				func(ctx context.Context) error { return s.readOnly(ctx, "off") },
			},
			"destination-disconnects": {
				func(ctx context.Context) error {
					_, err := s.query(ctx, `SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`)
					return err
				},
				func(context.Context) error { return nil },
			},
		}
	}}
}

// query returns the rows of a query, over a connection of its own.
func (s tables) query(ctx context.Context, sql string) (_ [][]string, err error) {
	config, err := pgconn.ParseConfig("postgres://postgres@" + s.Addr() + "/postgres?sslmode=disable")
	if err != nil {
		return nil, err
	}
	config.Password = s.Password
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, r := range results {
		for _, row := range r.Rows {
			var texts []string
			for _, value := range row {
				texts = append(texts, string(value))
			}
			rows = append(rows, texts)
		}
	}
	return rows, nil
}

func (s tables) readOnly(ctx context.Context, value string) error {
	for _, sql := range []string{
		"ALTER SYSTEM SET default_transaction_read_only = " + value,
		"SELECT pg_reload_conf()::text",
	} {
		if _, err := s.query(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

func (s tables) held(ctx context.Context) (map[replay.Object]string, error) {
	rows, err := s.query(ctx, `SELECT cluster, resource, namespace, name, uid, resource_version FROM fairlead_objects`)
	if err != nil {
		return nil, err
	}
	held := map[replay.Object]string{}
	for _, r := range rows {
		held[replay.Object{Cluster: r[0], Resource: r[1], Namespace: r[2], Name: r[3], UID: r[4]}] = r[5]
	}
	return held, nil
}

func (s tables) events(ctx context.Context) ([]replay.Event, error) {
	rows, err := s.query(ctx, `SELECT cluster, resource, namespace, name, uid, id, resource_version, op, term, sequence FROM fairlead_history ORDER BY position`)
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
