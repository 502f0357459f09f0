package postgres

import (
	"fmt"
	"strings"

	"github.com/fairlead-dev/fairlead/internal/pgserver"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// rule is what an error of a statement that writes means. Everything that no rule is
// about is of the destination as a whole, and tried again: what is down (08, 53, 57,
// 58), what collides (40, 55), a server that takes no writes any more (25006), and what
// is a mistake in the configuration (28, 3D, 3F, 42).
type rule struct {
	code  string // an SQLSTATE, or its first two characters
	never bool   // the change will never be accepted
	todo  string // what to do about it
}

// rules are looked through in this order. The codes are those of
// https://www.postgresql.org/docs/15/errcodes-appendix.html.
//
//	22  data exceptions: 22P05, a character that cannot be stored; 22P02, no JSON;
//	    22021, no UTF-8; 22003, a number that is too large; 22008, a time that is
//	54  program limits: 54000, a key too long for an index; 54001, nested too deeply
//	23  constraints, which somebody has added to the tables
var rules = []rule{
	{"22", true, ""},
	{"54", true, ""},
	{"23", true, ""},
	{"28", false, "check user and password-file, and pg_hba.conf of the server"},
	{"3D000", false, "make the database, or name another one"},
	{"42501", false, "GRANTS"},
	{"42P01", false, "TABLES"},
	{"42703", false, "TABLES"},
	{"42P10", false, "TABLES"}, // the primary key is gone
	{"3F000", false, "make the schema, or name another one as schema="},
	{"42P05", false, "a pooler mixes up statements; have pgbouncer use pool_mode = transaction or session"},
	{"25006", false, "the server takes no writes any more; name the new primary among the hosts"},
	{"53100", false, "make room on the server's disk"},
	{"53300", false, "raise max_connections, or connect through pgbouncer"},
	{"57014", false, "the statement took longer than timeout=, or an administrator has cancelled it; see which statement blocks it in pg_stat_activity"},
}

// ruleOf returns what is known of an SQLSTATE.
func ruleOf(code string) (rule, bool) {
	for _, r := range rules {
		if code != "" && strings.HasPrefix(code, r.code) {
			return r, true
		}
	}
	return rule{}, false
}

// refused returns the error of a statement that writes a batch, fit to be shown.
func (s *Sink) refused(err error) error {
	code := pgserver.Code(err)
	err = s.explain(err)
	if r, ok := ruleOf(code); ok && r.never {
		return pipeline.Permanent(err)
	}
	return err
}

// explain says what to do about an error, and returns it fit to be shown.
func (s *Sink) explain(err error) error {
	shown := s.server.Shown(err)
	r, _ := ruleOf(pgserver.Code(err))
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
