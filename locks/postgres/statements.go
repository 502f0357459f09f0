package postgres

import (
	"fmt"
	"strconv"

	"github.com/fairlead-dev/fairlead/locks"
)

// statements are those for one table.
type statements struct {
	table, sequence     string // quoted
	read                string // $1: name
	insert              string // $1: name, $2: record
	update              string // $1: name, $2: record, $3: version
	make                string
	privileges, tableIs string // what to do, for errors
}

func newStatements(schema, table string) statements {
	quoted := func(name string) string { return strconv.Quote(schema) + "." + strconv.Quote(name) } // of syntax that needs no escape
	s := statements{table: quoted(table), sequence: quoted(table + "_versions")}
	columns := `(name text COLLATE "C" PRIMARY KEY, version bigint NOT NULL, record text NOT NULL)`

	// One row in any case, so that the server says whether it is the primary. Nobody
	// asks for more of the record than fits.
	s.read = fmt.Sprintf(`SELECT pg_is_in_recovery()::text, l.version::text, CASE WHEN octet_length(l.record) <= %d THEN l.record END `+
		`FROM (SELECT 1) AS one LEFT JOIN %s AS l ON l.name = $1`, locks.MaxValue, s.table)

	// A row is made with version 0, which nobody sees, and gets its version by the update
	// after it. A number that was drawn before the row is there could be lower than that
	// of a row that was made and deleted meanwhile.
	s.insert = `INSERT INTO ` + s.table + ` (name, version, record) VALUES ($1, 0, $2) ON CONFLICT (name) DO NOTHING`

	// The number is drawn before the row is locked. If somebody writes the row meanwhile
	// it has another version then, and nothing is updated.
	s.update = `UPDATE ` + s.table + ` SET version = nextval('` + s.sequence + `'), record = $2 WHERE name = $1 AND version = $3::bigint RETURNING version::text`

	// One at a time: of two that make a table at once, one fails.
	s.make = `SELECT pg_advisory_xact_lock(hashtext('fairlead'), hashtext('` + s.table + `')); ` +
		`CREATE SEQUENCE IF NOT EXISTS ` + s.sequence + `; CREATE TABLE IF NOT EXISTS ` + s.table + ` ` + columns

	s.privileges = `grant the user SELECT, INSERT and UPDATE on ` + s.table + `, USAGE on the sequence ` + s.sequence + ` and USAGE on the schema`
	s.tableIs = `make it and its sequence: CREATE TABLE ` + s.table + ` ` + columns + `; CREATE SEQUENCE ` + s.sequence
	return s
}

const (
	// begin: under another isolation an update that another has overtaken would fail
	// in place of finding no row.
	begin = `BEGIN ISOLATION LEVEL READ COMMITTED`
	// settings holds for the transaction, since pgbouncer gives the connection to others.
	// $1: how long a statement may take, in ms.
	settings = `SELECT set_config('statement_timeout', $1, true), set_config('synchronous_commit', ` +
		`CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') THEN 'on' ELSE current_setting('synchronous_commit') END, true)`
	commit = `COMMIT`
)
