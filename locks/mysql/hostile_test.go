package mysql_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/mysql"
)

func get(ctx context.Context, l *locks.Lock) error {
	_, _, err := l.Get(ctx)
	return err
}

func makes(ctx context.Context, l *locks.Lock) error { return l.Create(ctx, by(l.Identity())) }

// Whatever a server leaves out, a call ends with its context: nothing else ends it here,
// since a call and a read may take an hour.
func TestSilence(t *testing.T) {
	for name, test := range map[string]struct {
		call   func(context.Context, *locks.Lock) error
		silent string // the statement that is not answered, or not in full
		answer func(f *fake)
	}{
		"commit":      {makes, "COMMIT", func(*fake) {}},
		"rollback":    {makes, "ROLLBACK", func(*fake) {}},
		"after a row": {get, "SELECT @@global.read_only, ", func(f *fake) { f.head(3); _ = f.row("0", null, null) }},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			addr := startFake(t, func(f *fake, statement string) bool {
				switch {
				case strings.HasPrefix(statement, test.silent):
					test.answer(f)
					cancel()
				case name == "rollback" && strings.HasPrefix(statement, "INSERT INTO `fairlead_locks` "):
					f.fail(1062, "somebody was first")
				default:
					return false
				}
				return true
			})
			l := open(t, mysql.Options{Host: addr, Name: "x", Identity: "a", Timeout: time.Hour})
			ended := make(chan error, 1)
			go func() { ended <- test.call(ctx, l) }()
			select {
			case err := <-ended:
				if err == nil {
					t.Error("it succeeds")
				}
			case <-time.After(time.Minute):
				t.Fatal("the call does not end with its context")
			}
		})
	}
}

// endless sends rows until the client leaves, or what is far more than it should read.
func endless(f *fake, values ...string) {
	f.head(len(values))
	for range 1 << 17 {
		if f.row(values...) != nil {
			return
		}
	}
	_ = f.send(eof)
}

func TestHostileAnswers(t *testing.T) {
	const variables, engines, read = "SHOW GLOBAL VARIABLES", "SELECT COUNT(*)", "SELECT @@global.read_only, "
	echo := func(f *fake) { f.fail(1142, "denied to somebody with "+password) }
	for name, test := range map[string]struct {
		statement string
		answer    func(f *fake)
		want      string
	}{
		"variables without values":  {variables, func(f *fake) { f.rows(1, []string{"read_only"}) }, "does not answer as MySQL does"},
		"variables without columns": {variables, func(f *fake) { f.ok(0, 0) }, "innodb_flush_log_at_trx_commit"},
		"engines without columns":   {engines, func(f *fake) { f.ok(0, 0) }, "does not answer as MySQL does"},
		"engines of two rows":       {engines, func(f *fake) { f.rows(1, []string{"0"}, []string{"0"}) }, "does not answer as MySQL does"},
		"engines of two columns":    {engines, func(f *fake) { f.rows(2, []string{"0", "0"}) }, "does not answer as MySQL does"},
		"record without columns":    {read, func(f *fake) { f.ok(0, 0) }, "no rows"},
		"record of one column":      {read, func(f *fake) { f.rows(1, []string{"0"}) }, "expected 1 destination arguments"},
		"endless variables":         {variables, func(f *fake) { endless(f, "a", strings.Repeat("a", 100)) }, "more than 1048576 bytes"},
		"endless engines":           {engines, func(f *fake) { endless(f, strings.Repeat("0", 100)) }, "more than 1048576 bytes"},
		"endless records":           {read, func(f *fake) { endless(f, "0", strings.Repeat("1", 100), "a") }, "more than 1048576 bytes"},
		"password, connecting":      {variables, echo, "with [redacted]"},
		"password, reading":         {read, echo, "with [redacted]"},
	} {
		t.Run(name, func(t *testing.T) {
			addr := startFake(t, func(f *fake, statement string) bool {
				hostile := strings.HasPrefix(statement, test.statement)
				if hostile {
					test.answer(f)
				}
				return hostile
			})
			l := open(t, mysql.Options{Host: addr, Name: "x", Identity: "a", Timeout: time.Minute})
			if err := get(t.Context(), l); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), password) {
				t.Errorf("%v, want an error with %q", err, test.want)
			}
		})
	}
}
