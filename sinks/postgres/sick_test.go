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

// answering starts a server that has the tables, and answers a batch as told.
func answering(t *testing.T, answer func(f *testdb.FakePostgres)) *database {
	return &database{addr: testdb.StartFakePostgres(t, func(f *testdb.FakePostgres, statement string) bool {
		switch {
		case strings.HasPrefix(statement, writes):
			answer(f)
		case strings.HasPrefix(statement, prepares):
			f.Rows([]string{"UTF8", "true", "jsonb"})
		case strings.HasPrefix(statement, versions):
			f.Rows([]string{"1"})
		default:
			return false
		}
		return true
	})}
}

// A server that takes no writes at all says so with codes that it has for data, too.
// Were that permanent, the changes of a whole fleet would become dead letters.
func TestSickServers(t *testing.T) {
	for name, test := range map[string]struct {
		code, file, routine, constraint string
		committing, permanent           bool
		todo                            string
	}{
		"no transaction ids":               {"54000", "varsup.c", "GetNewTransactionId", "", false, false, "vacuum the database"},
		"no multixacts":                    {"54000", "multixact.c", "GetNewMultiXactId", "", false, false, "vacuum the database"},
		"a full queue of notifications":    {"54000", "async.c", "PreCommit_Notify", "", true, false, "pg_notification_queue_usage()"},
		"a limit that nobody knows":        {"54000", "", "", "", false, false, "one of its limits"},
		"a key too long":                   {"54000", "nbtutils.c", "_bt_check_third_page", "", false, true, ""},
		"the same, with the file's path":   {"54000", "src/backend/access/nbtree/nbtutils.c", "_bt_check_third_page", "", false, true, ""},
		"a string too long for jsonb":      {"54000", "jsonb.c", "checkStringLen", "", false, true, ""},
		"data, committing":                 {"22023", "", "", "", true, false, ""},
		"a storage limit, committing":      {"54000", "nbtutils.c", "_bt_check_third_page", "", true, false, ""},
		"a constraint":                     {"23514", "execMain.c", "ExecConstraints", "c", false, true, ""},
		"a constraint, committing":         {"23503", "ri_triggers.c", "ri_ReportViolation", "c", true, true, ""},
		"no primary any more":              {"25006", "utility.c", "PreventCommandIfReadOnly", "", false, false, "unless name= is given"},
		"a full disk":                      {"53100", "md.c", "mdextend", "", false, false, "make room on the server's disk"},
		"a full disk, committing":          {"53100", "xlog.c", "XLogWrite", "", true, false, "make room on the server's disk"},
		"no partition":                     {"23514", "execPartition.c", "ExecFindPartition", "", false, false, "make the partition"},
		"a column without a value":         {"23502", "execMain.c", "ExecConstraints", "", false, false, "give it a default"},
		"a column that was given a length": {"22001", "varchar.c", "varchar", "", false, false, "make it text again"},
	} {
		t.Run(name, func(t *testing.T) {
			s := answering(t, func(f *testdb.FakePostgres) {
				if test.committing {
					f.Rows([]string{"1", "1", "0"})
				}
				f.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: test.code, Message: "no", File: test.file, Routine: test.routine, ConstraintName: test.constraint})
			}).open(t, postgres.Options{Timeout: time.Minute})
			err := s.Write(t.Context(), []*pipeline.Change{pod("a", 1, 1)})
			says(t, err, "SQLSTATE "+test.code, test.todo)
			if pipeline.IsPermanent(err) != test.permanent {
				t.Errorf("permanent is %t, want %t: %v", pipeline.IsPermanent(err), test.permanent, err)
			}
			if test.permanent && strings.Contains(err.Error(), ";") {
				t.Errorf("says what to do about the server: %v", err)
			}
		})
	}
}

// Warnings at the end of a transaction that was committed as it should be.
func TestHarmlessWarnings(t *testing.T) {
	for routine, harmless := range map[string]bool{"asyncQueueFillWarning": true, "exec_stmt_raise": true, "SyncRepWaitForLSN": false, "": false} {
		s := answering(t, func(f *testdb.FakePostgres) {
			f.Rows([]string{"1", "1", "0"})
			f.Send(&pgproto3.NoticeResponse{Severity: "WARNING", SeverityUnlocalized: "WARNING", Code: "01000", Message: "beware", Routine: routine})
		}).open(t, postgres.Options{Timeout: time.Minute})
		if err := s.Write(t.Context(), []*pipeline.Change{pod("a", 1, 1)}); (err == nil) != harmless {
			t.Errorf("a warning of %q: %v", routine, err)
		}
	}
}

// Tables that somebody has altered so that no row fits are a mistake in the
// configuration, which no change is refused for.
func TestAlteredTables(t *testing.T) {
	d := start(t, "fsync = off")
	for name, test := range map[string]struct{ breaks, mends, says string }{
		"a column without a default": {
			`ALTER TABLE S.fairlead_history ADD COLUMN extra text; UPDATE S.fairlead_history SET extra = ''; ALTER TABLE S.fairlead_history ALTER COLUMN extra SET NOT NULL`,
			`ALTER TABLE S.fairlead_history ALTER COLUMN extra SET DEFAULT ''`, "SQLSTATE 23502",
		},
		"a partition that is missing": {
			`ALTER TABLE S.fairlead_history RENAME TO old; CREATE TABLE S.fairlead_history (LIKE S.old INCLUDING IDENTITY) PARTITION BY LIST (cluster); GRANT SELECT, INSERT ON S.fairlead_history TO fairlead`,
			`CREATE TABLE S.p PARTITION OF S.fairlead_history DEFAULT`, "SQLSTATE 23514",
		},
		"a column with a length": {
			`ALTER TABLE S.fairlead_history ALTER COLUMN kind TYPE varchar(1) USING 'x'`,
			`ALTER TABLE S.fairlead_history ALTER COLUMN kind TYPE text`, "SQLSTATE 22001",
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := postgres.Options{Tables: postgres.Both}
			o.Schema = d.made(t, o)
			s := d.open(t, o)
			write(t, s, pod("before", 1, 1))
			d.exec(t, strings.ReplaceAll(test.breaks, "S.", o.Schema+"."))
			fails(t, s, test.says, "somebody has")
			d.exec(t, strings.ReplaceAll(test.mends, "S.", o.Schema+"."))
			write(t, s, pod("a", 1, 1))
		})
	}
}
