package postgres_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/postgres"
)

// Of several sinks that find no tables all write, and one has made them. Whoever checks
// meanwhile finds all of them, or none.
func TestTablesAreMadeOnce(t *testing.T) {
	d := start(t)
	schema := d.schema(t)
	const at = 8
	var sinks [at]*postgres.Sink
	for i := range sinks {
		sinks[i] = d.open(t, postgres.Options{Schema: schema, Tables: postgres.Both})
	}
	var wg sync.WaitGroup
	for i, s := range sinks {
		wg.Go(func() {
			for range 10 {
				if err := s.Check(t.Context()); err != nil {
					t.Errorf("Check of a user that may make tables: %v", err)
				}
			}
		})
		wg.Go(func() {
			if err := s.Write(t.Context(), []*pipeline.Change{pod(fmt.Sprint("p", i), 1, 1)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := d.exec(t, `SELECT count(*) FROM `+schema+`.fairlead_objects`); got[0] != "8" {
		t.Errorf("there are %q objects", got)
	}
}

// The rights in the package's documentation are all that is needed, and each of them is.
func TestLeastRights(t *testing.T) {
	d := start(t)
	o := postgres.Options{Tables: postgres.Both, NoMigrate: true, DeletedFor: time.Nanosecond}
	o.Schema = d.made(t, o)
	use := func() error {
		s := d.open(t, o)
		if err := s.Check(t.Context()); err != nil {
			return err
		}
		if err := s.Write(t.Context(), []*pipeline.Change{pod("a", 1, 1), gone("b", 1, 1)}); err != nil {
			return err
		}
		if err := s.Purge(t.Context()); err != nil {
			return err
		}
		return s.ReadBack(t.Context(), "edge", "pods", ignore)
	}
	if err := use(); err != nil {
		t.Fatal(err)
	}
	for _, grant := range regexp.MustCompile(`GRANT (.*) ON (.*) TO fairlead;`).FindAllStringSubmatch(strings.ReplaceAll(leastRights, "public", o.Schema), -1) {
		for right := range strings.SplitSeq(grant[1], ", ") {
			for of := range strings.SplitSeq(grant[2], ", ") {
				d.exec(t, `REVOKE `+right+` ON `+of+` FROM fairlead`)
				if err := use(); err == nil {
					t.Errorf("%s on %s is not needed", right, of)
				} else {
					says(t, err, "GRANT")
				}
				d.exec(t, `GRANT `+right+` ON `+of+` TO fairlead`)
			}
		}
	}
}

func TestPurge(t *testing.T) {
	d := start(t, "fsync = off")
	metrics := prometheus.NewRegistry()
	o := postgres.Options{Tables: postgres.Both, DeletedFor: time.Hour, HistoryFor: 2 * time.Hour, Registerer: metrics}
	o.Schema = d.schema(t)
	s := d.open(t, o)
	var batch []*pipeline.Change
	for i := range 2500 {
		c := gone(fmt.Sprint("old-", i), 1, 1)
		c.Observed = time.Now().Add(-3 * time.Hour)
		batch = append(batch, c)
	}
	write(t, s, batch...)
	d.exec(t, `UPDATE `+o.Schema+`.fairlead_state SET deleted_at = deleted_at - interval '61 minutes'`)
	write(t, s, pod("kept", 1, 1), gone("new", 1, 1))
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]string{"fairlead_state": "kept new", "fairlead_history": "kept new"} {
		if got := d.exec(t, `SELECT name FROM `+o.Schema+`.`+table+` ORDER BY name`); strings.Join(got, " ") != want {
			t.Errorf("%s has %d rows, want %s", table, len(got), want)
		}
	}
	if err := testutil.GatherAndCompare(metrics, strings.NewReader(`
# HELP fairlead_postgres_purged_rows_total Rows that were removed after their retention, by table (state, history).
# TYPE fairlead_postgres_purged_rows_total counter
fairlead_postgres_purged_rows_total{table="history"} 2500
fairlead_postgres_purged_rows_total{table="state"} 2500
# HELP fairlead_postgres_rows_total Rows by table (state, history) and result: written; known, of what the table has already, or has a later state of.
# TYPE fairlead_postgres_rows_total counter
fairlead_postgres_rows_total{result="known",table="history"} 0
fairlead_postgres_rows_total{result="known",table="state"} 0
fairlead_postgres_rows_total{result="written",table="history"} 2502
fairlead_postgres_rows_total{result="written",table="state"} 2502
`), "fairlead_postgres_purged_rows_total", "fairlead_postgres_rows_total"); err != nil {
		t.Error(err)
	}
}

// A row of what is deleted has no object, even if the last state came with the deletion;
// the history has it.
func TestDeletedHasNoObject(t *testing.T) {
	d := start(t)
	for _, tables := range []postgres.Tables{postgres.State, postgres.Both} {
		o := postgres.Options{Tables: tables, Schema: d.schema(t)}
		s := d.open(t, o)
		c := pod("a", 1, 2)
		c.Op = pipeline.Deleted
		write(t, s, pod("a", 1, 1), c)
		if got := d.exec(t, `SELECT object IS NULL, deleted_at IS NULL FROM `+o.Schema+`.fairlead_state`); len(got) != 1 || got[0] != "t|f" {
			t.Errorf("tables=%s: the state has %q", tables, got)
		}
		if got := d.exec(t, `SELECT count(object) FROM `+o.Schema+`.fairlead_history`); tables == postgres.Both && got[0] != "2" {
			t.Errorf("the history has %s objects, want 2", got)
		}
		write(t, s, pod("a", 1, 3)) // it exists again
		if got := d.exec(t, `SELECT object IS NULL, deleted_at IS NULL FROM `+o.Schema+`.fairlead_state`); len(got) != 1 || got[0] != "f|t" {
			t.Errorf("tables=%s: the state has %q", tables, got)
		}
	}
}

// What PostgreSQL cannot store is replaced, and marked.
func TestAltered(t *testing.T) {
	d := start(t)
	for _, exact := range []bool{false, true} {
		metrics := prometheus.NewRegistry()
		o := postgres.Options{Tables: postgres.Both, Exact: exact, Registerer: metrics}
		o.Schema = d.schema(t)
		s := d.open(t, o)
		odd := pod("odd", 1, 1)
		odd.Object = []byte(`{"a":"x\u0000y","b":"\ud800","c":"\\u0000 \ud83d\ude00"}`)
		given := string(odd.Object)
		write(t, s, odd, pod("even", 1, 1))
		if string(odd.Object) != given {
			t.Errorf("the change's own object is %s", odd.Object)
		}
		for _, table := range []string{"state", "history"} {
			got := d.exec(t, `SELECT name, altered, object->>'a', object->>'b', object->>'c' FROM `+o.Schema+`.fairlead_`+table+` ORDER BY name`)
			if want := "even|f||| odd|t|x\ufffdy|\ufffd|\\u0000 \U0001F600"; strings.Join(got, " ") != want {
				t.Errorf("%s has %q, want %q", table, got, want)
			}
		}
		if n, err := testutil.GatherAndCount(metrics, "fairlead_postgres_altered_objects_total"); err != nil || n != 1 {
			t.Errorf("%d series, %v", n, err)
		}
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		`"a"`:                           `"a"`,
		`"\u0000"`:                      `"\ufffd"`,
		`"\\u0000"`:                     `"\\u0000"`,
		`"\\\u0000"`:                    `"\\\ufffd"`,
		`"\u0001\u00000\u000"`:          `"\u0001\ufffd0\u000"`,
		`"\ud800"`:                      `"\ufffd"`,
		`"\uDBFFx\uDC00"`:               `"\ufffdx\ufffd"`,
		`"\ud83d\ude00\uD83D\uDE00"`:    `"\ud83d\ude00\uD83D\uDE00"`,
		`"\ud83d\ud83d\ude00"`:          `"\ufffd\ud83d\ude00"`,
		`"\ud7ff\ue000\uD"`:             `"\ud7ff\ue000\uD"`,
		`{"\u0000":{"\ud8ab":"\\ud8"}}`: `{"\ufffd":{"\ufffd":"\\ud8"}}`,
	} {
		got, altered := postgres.Clean([]byte(text))
		if string(got) != want || altered != (text != want) {
			t.Errorf("%s becomes %s, %t; want %s", text, got, altered, want)
		}
	}
}

// FuzzClean: what was JSON is JSON, and nothing is left that cannot be stored.
func FuzzClean(f *testing.F) {
	for _, text := range []string{`"\u0000"`, `"\ud800\ud83d\ude00"`, `{"a":"\\\\\u0000"}`, `"\uDc00\u"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, altered := postgres.Clean(text)
		if len(got) != len(text) {
			t.Fatalf("%q became %q", text, got)
		}
		if !json.Valid(text) {
			return
		}
		if !json.Valid(got) {
			t.Fatalf("%q became %q", text, got)
		}
		if again, more := postgres.Clean(got); more {
			t.Errorf("%q became %q, and that %q", text, got, again)
		}
		var value any
		if err := json.Unmarshal(got, &value); err == nil && strings.Contains(fmt.Sprint(value), "\x00") {
			t.Errorf("%q still has a zero: %t", got, altered)
		}
	})
}

func TestNotify(t *testing.T) {
	d := start(t)
	o := postgres.Options{Schema: d.schema(t), Notify: "fleet Changes"}
	s := d.open(t, o)
	write(t, s, pod("a", 1, 1)) // the tables
	heard := make(chan string, 16)
	host, port, _ := strings.Cut(d.Addr(), ":")
	config, err := pgconn.ParseConfig(fmt.Sprintf("host=%s port=%s user=postgres dbname=postgres password=%s sslmode=disable", host, port, d.Password))
	if err != nil {
		t.Fatal(err)
	}
	config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { heard <- n.Payload }
	conn, err := pgconn.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `LISTEN "fleet Changes"`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	write(t, s, pod("a", 1, 2), pod("b", 1, 2))
	var many []*pipeline.Change
	for i := range 500 {
		c := pod("a", 1, 3)
		c.Key.Cluster, c.Origin = fmt.Sprint("cluster-with-a-long-name-", i), origin("c", 1)
		many = append(many, c)
	}
	write(t, s, many...)
	// A late batch is told to nobody.
	d.exec(t, `UPDATE `+o.Schema+`.fairlead_writer SET term = 9`)
	if err := s.Write(t.Context(), many); err == nil {
		t.Error("a late batch is accepted")
	}
	d.exec(t, `SELECT pg_notify('fleet Changes', 'end')`)
	for _, want := range []string{`{"changes":2,"resources":{"edge":{"pods":2}}}`, `{"changes":500}`, "end"} {
		for len(heard) == 0 {
			if err := conn.WaitForNotification(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := <-heard; got != want {
			t.Errorf("heard %s, want %s", got, want)
		}
	}
}
