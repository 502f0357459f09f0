package postgres

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fairlead-dev/fairlead/internal/pgserver"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// rule is what an error of a statement that writes means. Everything that no rule is
// about is of the destination as a whole, and tried again: what is down (08, 53, 57,
// 58), what collides (40, 55), a server that takes no writes any more (25006), and what
// is a mistake in the configuration (28, 3D, 3F, 42).
type rule struct {
	code string                     // an SQLSTATE, or its first characters
	data func(*pgconn.PgError) bool // reports whether it is about a change, which will never be accepted; nil: it is not
	todo string                     // what to do about it if it is not
}

// rules are looked through in this order. The codes are those of
// https://www.postgresql.org/docs/15/errcodes-appendix.html.
//
//	22  data exceptions: 22P05, a character that cannot be stored; 22P02, no JSON;
//	    22021, no UTF-8; 22003, a number that is too large; 22008, a time that is; but
//	    not 22001, which columns of this package's tables never raise
//	54  program limits: 54001, nested too deeply; 54000, a key too long for an index,
//	    but also a database that is out of transaction ids
//	23  constraints, which somebody has added to the tables; but not columns that are
//	    NOT NULL (23502), nor rows without a partition (23514 without a constraint)
var rules = []rule{
	{"22001", nil, "somebody has given a column of the tables a length; make it text again"},
	{"22", always, ""},
	{"54001", always, ""},
	{"54", ofStorage, "the server is at one of its limits: vacuum the database if it runs out of transaction ids or multixacts; with notify=, see pg_notification_queue_usage() and end the session that listens and does not read"},
	{"23502", nil, "somebody has added a column to the tables that must have a value; give it a default"},
	{"23", ofConstraint, "the row has no place in the tables, as somebody has altered them; if they are partitioned, make the partition"},
	{"28", nil, "check user and password-file, and pg_hba.conf of the server"},
	{"3D000", nil, "make the database, or name another one"},
	{"42501", nil, "GRANTS"},
	{"42P01", nil, "TABLES"},
	{"42703", nil, "TABLES"},
	{"42P10", nil, "TABLES"}, // the primary key is gone
	{"3F000", nil, "make the schema, or name another one as schema="},
	{"42P05", nil, "a pooler mixes up statements; have pgbouncer use pool_mode = transaction or session"},
	{"25006", nil, "the server takes no writes any more; name the new primary among the hosts; " + otherHosts},
	{"53100", nil, "make room on the server's disk"},
	{"53300", nil, "raise max_connections, or connect through pgbouncer"},
	{"57014", nil, "the statement took longer than timeout=, or an administrator has cancelled it; see which statement blocks it in pg_stat_activity"},
}

// otherHosts is to be known before somebody names other hosts.
const otherHosts = `that makes another sink of this one, which does not know what it has to delete, unless name= is given: see "Failover" on the sink's page`

// always: it is about the data of a change.
func always(*pgconn.PgError) bool { return true }

// ofConstraint reports whether a constraint refuses a row.
func ofConstraint(answer *pgconn.PgError) bool { return answer.ConstraintName != "" }

// storage are the files of PostgreSQL in which 54000 is about the size of a row, of its
// entry in an index, or of its jsonb. Elsewhere it is about the server: varsup.c and
// multixact.c have run out of ids, async.c has a full queue.
var storage = []string{
	"hio.c", "indextuple.c", "nbtinsert.c", "nbtutils.c", "brin_pageops.c", "ginentrypage.c", "gist.c", "gistutil.c",
	"hashinsert.c", "spgdoinsert.c", "json.c", "jsonb.c", "jsonb_util.c", "jsonfuncs.c",
}

// ofStorage reports whether a row is larger than the server can store.
func ofStorage(answer *pgconn.PgError) bool { return slices.Contains(storage, path.Base(answer.File)) }

// ruleOf returns what is known of an answer.
func ruleOf(answer *pgconn.PgError) rule {
	for _, r := range rules {
		if strings.HasPrefix(answer.Code, r.code) {
			return r
		}
	}
	return rule{}
}

// refused returns the error of a statement that writes a batch, fit to be shown.
// committing: the statement was done, and the server failed to commit. Then only a
// constraint that is checked so late is about data.
func (s *Sink) refused(err error, committing bool) error {
	shown := s.explain(err)
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || committing && !ofConstraint(answer) {
		return shown
	}
	if r := ruleOf(answer); r.data != nil && r.data(answer) {
		return pipeline.Permanent(shown)
	}
	return shown
}

// explain says what to do about an error, and returns it fit to be shown.
func (s *Sink) explain(err error) error {
	shown := s.server.Shown(err)
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok && errors.Is(shown, pgserver.ErrStandby) {
		return fmt.Errorf("%w; %s", shown, otherHosts)
	} else if !ok {
		return shown
	}
	r := ruleOf(answer)
	if r.data != nil && r.data(answer) {
		return shown
	}
	switch r.todo {
	case "":
		return shown
	case "GRANTS":
		return fmt.Errorf("%w; as the owner of the tables: %s", shown, grants(&s.o))
	case "TABLES":
		return fmt.Errorf("%w; give migrate=auto and drop %s, or run as the schema's owner: %s",
			shown, quoted(s.o.Schema, schemaTable), strings.Join(strings.Fields(Migration(s.o.Schema, s.o.Exact, 0)), " "))
	}
	return fmt.Errorf("%w; %s", shown, r.todo)
}
