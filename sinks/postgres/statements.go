package postgres

import (
	"fmt"
	"strconv"
	"strings"
)

// Tables of a schema.
const (
	stateTable   = "fairlead_state"
	historyTable = "fairlead_history"
	objectsView  = "fairlead_objects"
	writerTable  = "fairlead_writer"
	schemaTable  = "fairlead_schema"
)

// statements are those for one schema.
type statements struct {
	write   string // $1: writer, $2: term, and then the columns; with notify, channel and payload at the end
	term    string // $1: writer
	raise   string // $1: writer, $2: term
	prepare string
	version string
	rights  string
	read    string            // $1: cluster, $2: resource, $3 and $4: namespace and name of what was read last
	skip    string            // the same, for one row without its object
	purge   map[string]string // by table; $1: retention in seconds, $2: most rows, $3: seconds since 1970 before which there is nothing
}

// quoted returns a name of syntax that needs no escape.
func quoted(schema, name string) string { return strconv.Quote(schema) + "." + strconv.Quote(name) }

func newStatements(o *Options, columns []column) statements {
	in := func(table string) string { return quoted(o.Schema, table) }
	s := statements{
		write: writeStatement(o, columns),
		term:  `SELECT term::text FROM ` + in(writerTable) + ` WHERE name = $1`,
		// A row is locked in any case, so that this waits for batches under way, which
		// hold it.
		raise: `INSERT INTO ` + in(writerTable) + ` AS w (name, term) VALUES ($1, $2::bigint) ` +
			`ON CONFLICT (name) DO UPDATE SET term = excluded.term, since = now() WHERE w.term < excluded.term`,
		// All of one snapshot: to_regclass would see tables that are made meanwhile, whose
		// columns the rest of the statement does not see.
		prepare: `WITH tables AS (SELECT c.oid, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '` + o.Schema + `') ` +
			`SELECT current_setting('server_encoding'), (EXISTS (SELECT FROM tables WHERE relname = '` + schemaTable + `'))::text, ` +
			`(SELECT string_agg(DISTINCT format_type(atttypid, NULL), ',') FROM pg_attribute JOIN tables ON attrelid = oid WHERE attname = 'object' AND relname IN ('` + stateTable + `', '` + historyTable + `'))`,
		version: `SELECT coalesce(max(version), 0)::text FROM ` + in(schemaTable),
		read:    readStatement(in(objectsView), "object::text") + `ORDER BY namespace, name`,
		skip:    readStatement(in(objectsView), "NULL") + `ORDER BY namespace, name LIMIT 1`,
		purge:   map[string]string{},
	}
	s.rights = rightsStatement(o)
	if o.Tables.state() && o.DeletedFor >= 0 {
		// A row that exists again meanwhile is not what the condition says once it is locked.
		s.purge[stateTable] = purgeStatement(in(stateTable), "deleted_at")
	}
	if o.Tables.history() && o.HistoryFor > 0 {
		s.purge[historyTable] = purgeStatement(in(historyTable), "observed")
	}
	return s
}

func readStatement(view, object string) string {
	return `SELECT namespace, name, uid, resource_version, term::text, sequence::text, ` + object + ` FROM ` + view +
		` WHERE cluster = $1 AND resource = $2 AND (namespace, name) > ($3, $4) `
}

// purgeStatement removes the oldest rows that are due. It returns one row: how many, and
// where to look on for others, which is one second before the last of them. An index
// still has what was removed, until that is vacuumed; nothing reads it again.
func purgeStatement(table, column string) string {
	return fmt.Sprintf(`WITH due AS (DELETE FROM %[1]s WHERE ctid = ANY (ARRAY(SELECT ctid FROM %[1]s `+
		`WHERE %[2]s >= to_timestamp($3::float8) AND %[2]s < now() - make_interval(secs => $1::float8) ORDER BY %[2]s LIMIT $2::bigint FOR UPDATE SKIP LOCKED)) RETURNING %[2]s) `+
		`SELECT count(*)::text, coalesce(extract(epoch FROM max(%[2]s)) - 1, 0)::text FROM due`, table, column)
}

// writeStatement writes a batch, if the row of the writer has its term, and holds that
// row until the end of the transaction. It returns one row, of three counts: of the
// writer's rows with the term, and of the rows written to each table.
func writeStatement(o *Options, columns []column) string {
	in := func(table string) string { return quoted(o.Schema, table) }
	var arrays, all []string
	for i, c := range columns {
		arrays = append(arrays, fmt.Sprintf("$%d::%s[]", i+3, c.sqlType))
		all = append(all, c.name)
	}
	var b strings.Builder
	add := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	add("WITH fence AS (SELECT FROM %s WHERE name = $1 AND term = $2::bigint FOR SHARE)", in(writerTable))
	ordinal := ""
	if o.Tables.history() {
		ordinal, all = " WITH ORDINALITY", append(all, "at")
	}
	add(", n AS (SELECT * FROM unnest(%s)%s AS n (%s) WHERE EXISTS (SELECT FROM fence))", strings.Join(arrays, ", "), ordinal, strings.Join(all, ", "))
	states, events := "0", "0"
	if o.Tables.state() {
		list := names(columns, inState, "")
		values, which := list, ""
		if o.Tables == Both {
			values = strings.Replace(list, "object", "CASE WHEN NOT deleted THEN object END", 1)
			which = " WHERE last"
		}
		add(", s AS (INSERT INTO %s AS o (%s, written, deleted_at) SELECT %s, now(), CASE WHEN deleted THEN now() END FROM n%s", in(stateTable), list, values, which)
		add(" ON CONFLICT (cluster, resource, namespace, name) DO UPDATE SET (%s, written, deleted_at) = (%s, excluded.written, excluded.deleted_at)", list, names(columns, inState, "excluded."))
		add(" WHERE (excluded.term, excluded.sequence) >= (o.term, o.sequence) RETURNING 1)")
		states = "(SELECT count(*) FROM s)"
	}
	if o.Tables.history() {
		list := names(columns, inHistory, "")
		add(", h AS (INSERT INTO %s (%s) SELECT %s FROM n ORDER BY at ON CONFLICT DO NOTHING RETURNING 1)", in(historyTable), list, list)
		events = "(SELECT count(*) FROM h)"
	}
	add(" SELECT (SELECT count(*) FROM fence)::text, %s::text, %s::text", states, events)
	if o.Notify != "" {
		add(", CASE WHEN EXISTS (SELECT FROM fence) THEN pg_notify($%d, $%d)::text END", len(columns)+3, len(columns)+4)
	}
	return b.String()
}

// settings holds for the transaction, since pgbouncer gives the connection to others.
// What is confirmed has to be on disk. $1: how long a statement may take, in ms.
const settings = `SELECT set_config('statement_timeout', $1, true), set_config('synchronous_commit', ` +
	`CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') THEN 'on' ELSE current_setting('synchronous_commit') END, true)`

// writeSettings also has a write be planned without its values. The server would make constants
// of them for a plan that fits them better, and copy these many times, a batch of objects each
// time: that took four times the CPU of the write itself where page faults are slow, and there
// is nothing to choose. What triggers run is planned so, too.
// https://www.postgresql.org/docs/15/runtime-config-query.html#GUC-PLAN-CACHE_MODE
const writeSettings = settings + `, set_config('plan_cache_mode', 'force_generic_plan', true)`

// rightsStatement returns a row for each right that the user lacks.
func rightsStatement(o *Options) string {
	var rows []string
	for _, r := range rights(o) {
		for _, right := range strings.Split(r.rights, ", ") {
			rows = append(rows, fmt.Sprintf("('%s', '%s')", quoted(o.Schema, r.table), right))
		}
	}
	return `SELECT string_agg(r.action || ' ON ' || r.of, ', ') FROM (VALUES ` + strings.Join(rows, ", ") + `) AS r (of, action) WHERE NOT has_table_privilege(r.of, r.action)`
}

// right is what the user needs of one table.
type right struct{ table, rights string }

func rights(o *Options) []right {
	all := []right{{schemaTable, "SELECT"}, {writerTable, "SELECT, INSERT, UPDATE"}}
	if o.Tables.state() {
		r := right{stateTable, "SELECT, INSERT, UPDATE"}
		if o.DeletedFor >= 0 {
			r.rights += ", DELETE"
		}
		all = append(all, r, right{objectsView, "SELECT"})
	}
	if o.Tables.history() {
		r := right{historyTable, "SELECT, INSERT"}
		if o.HistoryFor > 0 {
			r.rights += ", UPDATE, DELETE" // to lock rows first
		}
		all = append(all, r)
	}
	return all
}

// grants returns the statement that gives the user what it needs.
func grants(o *Options) string {
	all := []string{`GRANT USAGE ON SCHEMA ` + strconv.Quote(o.Schema) + ` TO ` + quoteUser(o.User)}
	for _, r := range rights(o) {
		all = append(all, fmt.Sprintf("GRANT %s ON %s TO %s", r.rights, quoted(o.Schema, r.table), quoteUser(o.User)))
	}
	return strings.Join(all, "; ")
}

func quoteUser(user string) string { return `"` + strings.ReplaceAll(user, `"`, `""`) + `"` }
