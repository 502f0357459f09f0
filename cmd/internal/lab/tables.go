package lab

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/testdb"
)

// Tables are those that the sink postgres writes, on a server of their own. They are read
// with plain SQL, by nothing of the sink's.
type Tables struct {
	*testdb.Postgres
	password string // path
}

// StartTables starts the server. There are no tables yet.
func StartTables(t testing.TB) *Tables {
	t.Helper()
	s := testdb.StartPostgres(t)
	return &Tables{s, testdb.File(t, "password", []byte(s.Password))}
}

// Sink returns the value of --sink that leads to them, over an address, with more
// parameters.
func (s *Tables) Sink(address, params string) string {
	return "postgres://postgres@" + address + "/postgres?sslmode=disable&password-file=" + s.password + "&" + params
}

// Query returns the rows of queries, over a connection of its own.
func (s *Tables) Query(ctx context.Context, sql string) (_ [][]string, err error) {
	config, err := pgconn.ParseConfig("postgres://postgres@" + s.Addr() + "/postgres?sslmode=disable")
	if err != nil {
		return nil, err
	}
	config.Password = s.Password
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("read PostgreSQL back: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read PostgreSQL back: %w", err)
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

// Held returns what exists, each object with its resourceVersion.
func (s *Tables) Held(ctx context.Context) (map[replay.Object]string, error) {
	rows, err := s.Query(ctx, `SELECT cluster, resource, namespace, name, uid, resource_version FROM fairlead_objects`)
	if err != nil {
		return nil, err
	}
	held := map[replay.Object]string{}
	for _, r := range rows {
		held[replay.Object{Cluster: r[0], Resource: r[1], Namespace: r[2], Name: r[3], UID: r[4]}] = r[5]
	}
	return held, nil
}
