package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/locks/postgres"
)

// endless sends rows until the client leaves, or what is far more than it should read.
func endless(columns int) func(*testdb.FakePostgres) {
	return func(f *testdb.FakePostgres) {
		f.Head(columns)
		values := make([]string, columns)
		values[0] = strings.Repeat("1", 1000)
		for range 1 << 14 {
			f.Row(values...)
			if f.Flush() != nil {
				return
			}
		}
		f.Done()
	}
}

func TestHostileAnswers(t *testing.T) {
	const validate, read, update, commit = "SELECT pg_is_in_recovery()::text, current_setting", "SELECT pg_is_in_recovery()::text, l.version", "UPDATE", "COMMIT"
	nothing := func(f *testdb.FakePostgres) { f.Rows([]string{}) }
	echo := func(f *testdb.FakePostgres) {
		f.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42501", Message: "denied to somebody with " + password})
	}
	for name, test := range map[string]struct {
		statement string
		answer    func(f *testdb.FakePostgres)
		want      string
	}{
		"validation without columns": {validate, nothing, "does not answer as PostgreSQL does"},
		"record without columns":     {read, nothing, "does not answer as PostgreSQL does"},
		"record of two rows":         {read, func(f *testdb.FakePostgres) { f.Rows(make([]string, 3), make([]string, 3)) }, "does not answer as PostgreSQL does"},
		"update without columns":     {update, nothing, "does not answer as PostgreSQL does"},
		"update of two columns":      {update, func(f *testdb.FakePostgres) { f.Rows([]string{"1", "1"}) }, "does not answer as PostgreSQL does"},
		"update of two rows":         {update, func(f *testdb.FakePostgres) { f.Rows([]string{"1"}, []string{"1"}) }, "does not answer as PostgreSQL does"},
		"endless validation":         {validate, endless(3), "more than 1048576 bytes"},
		"endless records":            {read, endless(3), "more than 1048576 bytes"},
		"endless updates":            {update, endless(1), "more than 1048576 bytes"},
		"password, connecting":       {validate, echo, "with [redacted]"},
		"password, reading":          {read, echo, "with [redacted]"},
		"password, warning": {commit, func(f *testdb.FakePostgres) {
			f.Send(&pgproto3.NoticeResponse{Severity: "WARNING", SeverityUnlocalized: "WARNING", Message: "written with " + password})
			f.Send(&pgproto3.NoData{})
			f.Done()
		}, "with [redacted]"},
	} {
		t.Run(name, func(t *testing.T) {
			addr := testdb.StartFakePostgres(t, func(f *testdb.FakePostgres, statement string) bool {
				switch {
				case strings.HasPrefix(statement, test.statement):
					test.answer(f)
				case strings.HasPrefix(statement, read): // an empty table
					f.Head(3)
					f.Send(&pgproto3.DataRow{Values: [][]byte{[]byte("false"), nil, nil}})
					f.Done()
				case strings.HasPrefix(statement, update):
					f.Rows([]string{"1"})
				default:
					return false
				}
				return true
			})
			l := open(t, postgres.Options{Hosts: []string{addr}, Name: "x", Identity: "a", Timeout: time.Minute})
			_, _, err := l.Get(t.Context())
			if test.statement == update || test.statement == commit {
				err = l.Create(t.Context(), by("a"))
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), password) {
				t.Errorf("%v, want an error with %q", err, test.want)
			}
		})
	}
}
