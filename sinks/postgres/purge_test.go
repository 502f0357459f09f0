package postgres_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/postgres"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// The server ends a round of the purge that takes too long, as it ends a write.
func TestPurgeLeavesNothingBehind(t *testing.T) {
	d := start(t)
	schema := d.schema(t)
	s := d.open(t, postgres.Options{Schema: schema, Timeout: 2 * time.Second})
	sinktest.Insist(t, s, pod("a", 1, 1))
	blocked := session(t, d.Postgres)
	defer blocked.Close(t.Context())
	if _, err := blocked.Exec(t.Context(), `BEGIN; LOCK TABLE `+schema+`.fairlead_state IN EXCLUSIVE MODE`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err == nil {
		t.Error("a table that is locked is purged")
	}
	testserver.Poll(t, "no statement waits", func() bool {
		return d.exec(t, `SELECT count(*) FROM pg_stat_activity WHERE usename = 'fairlead' AND state <> 'idle'`)[0] == "0"
	})
	if _, err := blocked.Exec(t.Context(), `ROLLBACK`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	testserver.Poll(t, "the table is purged", func() bool { return s.Purge(t.Context()) == nil })
}

// What one round has removed is not read by the next ones, although an older transaction
// keeps it from being vacuumed. So the cost grows with what is removed, not with its
// square.
func TestPurgeReadsRowsOnce(t *testing.T) {
	d := start(t, "fsync = off")
	o := postgres.Options{Tables: postgres.Both, HistoryFor: time.Hour, Schema: d.schema(t)}
	s := d.open(t, o)
	const rows = 5500 // six rounds
	var batch []*pipeline.Change
	for i := range rows {
		c := pod(fmt.Sprint("p", i), 1, 1)
		c.Observed = time.Now().Add(-time.Duration(i+1) * 2 * time.Hour)
		batch = append(batch, c)
	}
	write(t, s, batch...)
	d.exec(t, `ALTER ROLE fairlead SET enable_seqscan = off`) // as if the table were large
	d.exec(t, `ALTER ROLE fairlead SET enable_sort = off`)
	old := session(t, d.Postgres)
	defer old.Close(t.Context())
	if _, err := old.Exec(t.Context(), `BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM `+o.Schema+`.fairlead_history`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := d.exec(t, `SELECT count(*) FROM `+o.Schema+`.fairlead_history`); got[0] != "0" {
		t.Errorf("%s rows are left", got[0])
	}
	read := 0
	testserver.Poll(t, "the server counts what was read", func() bool {
		read, _ = strconv.Atoi(d.exec(t, `SELECT idx_tup_read FROM pg_stat_user_indexes WHERE schemaname = '`+o.Schema+`' AND indexrelname = 'fairlead_history_observed'`)[0])
		return read >= rows
	})
	if read > rows+rows/10 {
		t.Errorf("%d entries of the index were read to remove %d rows", read, rows)
	}
}

func TestHostileAnswersToThePurge(t *testing.T) {
	for name, rows := range map[string][][]string{
		"no columns": {{}}, "two rows": {{"0", "0"}, {"0", "0"}}, "no number": {{"one", "0"}}, "below zero": {{"-1", "0"}},
	} {
		addr := testdb.StartFakePostgres(t, func(f *testdb.FakePostgres, statement string) bool {
			if !strings.HasPrefix(statement, "WITH due") {
				return false
			}
			f.Rows(rows...)
			return true
		})
		s := (&database{addr: addr}).open(t, postgres.Options{Timeout: time.Minute})
		err := s.Purge(t.Context())
		says(t, err, "does not answer as PostgreSQL does")
		if err == nil {
			t.Error(name)
		}
	}
	addr := testdb.StartFakePostgres(t, func(f *testdb.FakePostgres, statement string) bool {
		if !strings.HasPrefix(statement, "WITH due") {
			return false
		}
		f.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42501", Message: "denied to somebody with " + password})
		return true
	})
	says(t, (&database{addr: addr}).open(t, postgres.Options{Timeout: time.Minute}).Purge(t.Context()), "with [redacted]")
}
