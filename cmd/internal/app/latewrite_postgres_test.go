package app

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// database is a connection to a PostgreSQL server.
type database struct {
	t    *testing.T
	conn *pgconn.PgConn
}

// startLateTables starts PostgreSQL with tables of what is now and of what happened.
func startLateTables(t *testing.T, _ *testenv.Cluster) *comparing {
	server := testdb.StartPostgres(t)
	host, port, _ := net.SplitHostPort(server.Addr())
	d := &database{t, must(pgconn.Connect(t.Context(), fmt.Sprintf("host=%s port=%s user=postgres dbname=postgres password=%s sslmode=disable", host, port, server.Password)))(t)}
	t.Cleanup(func() { _ = d.conn.Close(context.Background()) })
	line, listens := lineTo(t, server.Addr())
	return &comparing{
		sink:    "postgres://postgres@" + listens + "/postgres?sslmode=disable&tables=both&password-file=" + testdb.File(t, "password", []byte(server.Password)),
		line:    line,
		marks:   d.marks,
		history: func() []string { return d.ask(`SELECT id, term, sequence FROM fairlead_history ORDER BY position`) },
		arrival: func() func() bool {
			before := d.ask(statements)
			return func() bool {
				return slices.ContainsFunc(d.ask(statements), func(s string) bool { return !slices.Contains(before, s) })
			}
		},
	}
}

// statements are the last ones of the server's ends of connections that have written
// changes, each with when it began. None is under way.
const statements = `SELECT pid, query_start FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE 'WITH fence%' AND state = 'idle'`

// marks are those of all rows. There is no table before the first write.
func (d *database) marks() map[string]lateMark {
	d.t.Helper()
	if tables := d.ask(`SELECT FROM pg_tables WHERE tablename = 'fairlead_state'`); len(tables) == 0 {
		return nil
	}
	all := map[string]lateMark{}
	for _, row := range d.ask(`SELECT name, term, resource_version FROM fairlead_state`) {
		columns := strings.Split(row, " ")
		all[columns[0]] = lateMark{columns[1], columns[2]}
	}
	return all
}

// ask returns the rows of a query, their columns parted by spaces.
func (d *database) ask(query string) (rows []string) {
	d.t.Helper()
	results, err := d.conn.Exec(context.Background(), query).ReadAll()
	if err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
	for _, r := range results {
		for _, row := range r.Rows {
			var columns []string
			for _, column := range row {
				columns = append(columns, string(column))
			}
			rows = append(rows, strings.Join(columns, " "))
		}
	}
	return rows
}
