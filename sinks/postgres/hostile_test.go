package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/postgres"
)

// Statements of the sink, by how they begin.
const (
	validates = "SELECT pg_is_in_recovery()"
	prepares  = "WITH tables AS"
	versions  = "SELECT coalesce(max(version)"
	writes    = "WITH fence"
	asks      = "SELECT term::text"
	reads     = "SELECT namespace, name, uid"
)

// endless sends rows until the client leaves, or what is far more than it should read.
func endless(columns int, width int) func(*testdb.FakePostgres) {
	return func(f *testdb.FakePostgres) {
		f.Head(columns)
		values := make([]string, columns)
		values[0] = strings.Repeat("1", width)
		for range 1 << 12 {
			f.Row(values...)
			if f.Flush() != nil {
				return
			}
		}
		f.Done()
	}
}

// What a server answers instead of what it should is an error that passes, and nothing
// is read without an end.
func TestHostileAnswers(t *testing.T) {
	rows := func(rows ...[]string) func(*testdb.FakePostgres) {
		return func(f *testdb.FakePostgres) { f.Rows(rows...) }
	}
	const strange = "does not answer as PostgreSQL does"
	for name, test := range map[string]struct {
		statement string
		answer    func(f *testdb.FakePostgres)
		want      string
	}{
		"validation without columns":  {validates, rows([]string{}), strange},
		"endless validation":          {validates, endless(3, 1000), "more than 1048576 bytes"},
		"preparation without columns": {prepares, rows([]string{}), strange},
		"preparation of two rows":     {prepares, rows(make([]string, 3), make([]string, 3)), strange},
		"endless preparation":         {prepares, endless(3, 1000), "more than 1048576 bytes"},
		"a version that is no number": {versions, rows([]string{"one"}), strange},
		"counts without columns":      {writes, rows([]string{}), strange},
		"counts of nothing":           {writes, func(f *testdb.FakePostgres) { f.Send(&pgproto3.NoData{}); f.Done() }, strange},
		"counts of two rows":          {writes, rows([]string{"1", "1", "1"}, []string{"1", "1", "1"}), strange},
		"counts that are no numbers":  {writes, rows([]string{"1", "one", "1"}), strange},
		"counts below zero":           {writes, rows([]string{"1", "-1", "1"}), strange},
		"endless counts":              {writes, endless(3, 1000), "more than 1048576 bytes"},
		"a term that is never there":  {writes, rows([]string{"0", "0", "0"}), "changes while it is written"},
		"a password": {writes, func(f *testdb.FakePostgres) {
			f.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42501", Message: "denied to somebody with " + password})
		}, "with [redacted]"},
		"a password, reading back": {reads, func(f *testdb.FakePostgres) {
			f.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42501", Message: "denied to somebody with " + password})
		}, "with [redacted]"},
		"a password in a text too large": {reads, func(f *testdb.FakePostgres) {
			f.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "54000", Message: "too large for somebody with " + password})
		}, "with [redacted]"},
		"a text that is always too large": {reads, func(f *testdb.FakePostgres) {
			f.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "54000", Message: "too large"})
		}, "too large"},
		"a row without columns":             {reads, rows([]string{}), strange},
		"a row of a term that is no number": {reads, rows([]string{"ns", "n", "u", "1", "x", "1", "{}"}), "no numbers"},
	} {
		t.Run(name, func(t *testing.T) {
			addr := testdb.StartFakePostgres(t, func(f *testdb.FakePostgres, statement string) bool {
				switch {
				case strings.HasPrefix(statement, test.statement):
					test.answer(f)
				case strings.HasPrefix(statement, prepares):
					f.Rows([]string{"UTF8", "true", "jsonb"})
				case strings.HasPrefix(statement, versions), strings.HasPrefix(statement, asks):
					f.Rows([]string{"1"})
				case strings.HasPrefix(statement, writes):
					f.Rows([]string{"1", "1", "0"})
				default:
					return false
				}
				return true
			})
			d := &database{addr: addr}
			s := d.open(t, postgres.Options{Timeout: time.Minute})
			var err error
			if test.statement == reads {
				err = s.ReadBack(t.Context(), "edge", "pods", ignore)
			} else {
				err = s.Write(t.Context(), []*pipeline.Change{pod("a", 1, 1)})
			}
			says(t, err, test.want)
			if pipeline.IsPermanent(err) {
				t.Errorf("it counts as permanent: %v", err)
			}
		})
	}
}
