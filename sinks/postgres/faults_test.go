package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/postgres"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// What is wrong with the destination is no fault of a change: it is tried again, with an
// error that says what to do, and works once that is done.
func TestFaults(t *testing.T) {
	d := start(t)
	wrong := password + "-old"
	given := &wrong
	for name, test := range map[string]struct {
		o              postgres.Options
		breaks, mends  func(t testing.TB, schema string)
		writes, checks []string // what the errors say
	}{
		"wrong password": {
			postgres.Options{Password: func(context.Context) (string, error) { return *given, nil }}, nil,
			func(testing.TB, string) { right := password; given = &right },
			[]string{`password authentication failed for user "fairlead"`, "check user and password-file"}, []string{"password authentication failed"},
		},
		"no tables": {
			postgres.Options{NoMigrate: true, Tables: postgres.Both},
			func(t testing.TB, schema string) {
				d.exec(t, `DROP SCHEMA `+schema+` CASCADE; CREATE SCHEMA `+schema+`; GRANT USAGE ON SCHEMA `+schema+` TO fairlead`)
			},
			func(t testing.TB, schema string) {
				d.exec(t, postgres.Migration(schema, false, 0)+strings.ReplaceAll(leastRights, "public", schema))
			},
			[]string{"has version 0 of Fairlead's tables, and 1 is needed; give migrate=auto, or run as the schema's owner: CREATE TABLE IF NOT EXISTS"}, []string{"has version 0"},
		},
		"no right to make tables": {
			postgres.Options{Tables: postgres.Both},
			func(t testing.TB, schema string) {
				d.exec(t, `DROP SCHEMA `+schema+` CASCADE; CREATE SCHEMA `+schema+`; GRANT USAGE ON SCHEMA `+schema+` TO fairlead`)
			},
			func(t testing.TB, schema string) { d.exec(t, `GRANT CREATE ON SCHEMA `+schema+` TO fairlead`) },
			[]string{"permission denied for schema", "grant the user CREATE on the schema"}, []string{"grant the user CREATE on the schema"},
		},
		"no schema": {
			postgres.Options{},
			func(t testing.TB, schema string) { d.exec(t, `DROP SCHEMA `+schema+` CASCADE`) },
			func(t testing.TB, schema string) { d.exec(t, `CREATE SCHEMA `+schema+` AUTHORIZATION fairlead`) },
			[]string{"does not exist", "grant the user CREATE on the schema, or run"}, []string{"make the schema"},
		},
		"a table is gone": {
			postgres.Options{NoMigrate: true},
			func(t testing.TB, schema string) { d.exec(t, `DROP TABLE `+schema+`.fairlead_state CASCADE`) },
			func(t testing.TB, schema string) {
				d.exec(t, postgres.Migration(schema, false, 0)+strings.ReplaceAll(leastRights, "public", schema))
			},
			[]string{"fairlead_state", "is given; give the other one"}, []string{"of type"},
		},
		"no right to insert": {
			postgres.Options{},
			func(t testing.TB, schema string) {
				d.exec(t, `REVOKE INSERT ON `+schema+`.fairlead_state FROM fairlead`)
			},
			func(t testing.TB, schema string) {
				d.exec(t, `GRANT INSERT ON `+schema+`.fairlead_state TO fairlead`)
			},
			[]string{"permission denied for table fairlead_state", "as the owner of the tables: GRANT USAGE ON SCHEMA", `GRANT SELECT, INSERT, UPDATE, DELETE ON "`},
			[]string{"the user lacks INSERT ON", "as the owner of the tables: GRANT USAGE"},
		},
		"another type": {
			postgres.Options{Exact: true}, nil,
			func(t testing.TB, schema string) {
				d.exec(t, `DROP VIEW `+schema+`.fairlead_objects; ALTER TABLE `+schema+`.fairlead_state ALTER COLUMN object TYPE json USING object::json; ALTER TABLE `+schema+`.fairlead_history ALTER COLUMN object TYPE json USING object::json; `+
					postgres.Migration(schema, true, 0)+strings.ReplaceAll(leastRights, "public", schema))
			},
			[]string{`of type "jsonb", and type=json is given`}, []string{"type=json"},
		},
		"a newer version": {
			postgres.Options{},
			func(t testing.TB, schema string) {
				d.exec(t, `INSERT INTO `+schema+`.fairlead_schema VALUES (1000)`)
			},
			func(t testing.TB, schema string) {
				d.exec(t, `DELETE FROM `+schema+`.fairlead_schema WHERE version = 1000`)
			},
			[]string{"version 1000", "run the newer one"}, []string{"version 1000"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := test.o
			o.Schema = d.made(t, postgres.Options{})
			s := d.open(t, o)
			if test.breaks != nil {
				test.breaks(t, o.Schema)
			}
			if name == "a table is gone" {
				// One of the two: the other one has a column of that type.
				fails(t, s, "fairlead_state", "does not exist", "or run as the schema's owner: CREATE TABLE")
				says(t, s.Check(t.Context()), "does not exist")
			} else {
				fails(t, s, test.writes...)
				says(t, s.Check(t.Context()), test.checks...)
			}
			test.mends(t, o.Schema)
			write(t, s, pod("a", 1, 1))
			if err := s.Check(t.Context()); err != nil {
				t.Errorf("Check of what is mended: %v", err)
			}
		})
	}
}

func TestServersThatWillNotDo(t *testing.T) {
	d := start(t, "fsync = off")
	s := d.open(t, postgres.Options{Schema: d.schema(t)})
	says(t, s.Check(t.Context()), "fsync = off")
	write(t, s, pod("a", 1, 1))

	d.exec(t, `CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0`)
	latin, err := postgres.Open(postgres.Options{
		Hosts: []string{d.addr}, Database: "latin", User: user, Password: func(context.Context) (string, error) { return password, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer latin.Close()
	fails(t, latin, "encoding LATIN1", "ENCODING 'UTF8'")

	d.exec(t, `ALTER ROLE fairlead SET default_transaction_read_only = on`)
	fails(t, d.open(t, postgres.Options{Schema: "public"}), "its transactions are read only")
}

// The server ends a statement that takes longer than it may, which nobody waits for any
// more.
func TestNothingIsLeftBehind(t *testing.T) {
	d := start(t)
	schema := d.schema(t)
	s := d.open(t, postgres.Options{Schema: schema, Timeout: 2 * time.Second})
	sinktest.Insist(t, s, pod("a", 1, 1))
	blocked := session(t, d.Postgres)
	defer blocked.Close(t.Context())
	if _, err := blocked.Exec(t.Context(), `BEGIN; UPDATE `+schema+`.fairlead_state SET altered = false`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	fails(t, s, "took longer than") // whoever of the two notices it first
	testserver.Poll(t, "no statement waits", func() bool {
		return d.exec(t, `SELECT count(*) FROM pg_stat_activity WHERE usename = 'fairlead' AND state <> 'idle'`)[0] == "0"
	})
	if _, err := blocked.Exec(t.Context(), `ROLLBACK`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	sinktest.Insist(t, s, pod("a", 1, 2))
}

// A commit that did not wait for a standby may be lost, so it is none.
func TestCommitThatDidNotWait(t *testing.T) {
	d := start(t)
	d.exec(t, `ALTER ROLE fairlead SET synchronous_commit = off`)
	s := d.open(t, postgres.Options{Schema: d.schema(t)})
	write(t, s, pod("a", 1, 1))
	d.exec(t, `ALTER SYSTEM SET synchronous_standby_names = 'nobody'`)
	d.exec(t, `SELECT pg_reload_conf()`)
	testserver.Poll(t, "the server has read its configuration", func() bool { return d.exec(t, `SHOW synchronous_standby_names`)[0] == "nobody" })
	wrote := make(chan error, 1)
	go func() { wrote <- s.Write(context.Background(), []*pipeline.Change{pod("a", 1, 2)}) }()
	testserver.Poll(t, "the commit waits", func() bool {
		return len(d.exec(t, `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = 'fairlead'`)) > 0
	})
	if err := <-wrote; err == nil || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "with a warning: canceling wait for synchronous replication") {
		t.Errorf("Write: %v", err)
	}
}

func TestFailover(t *testing.T) {
	d := start(t)
	schema := d.made(t, postgres.Options{})
	standby := d.StartStandby(t, "second")
	hosts := []string{standby.Addr(), d.Addr()}
	s := d.open(t, postgres.Options{Hosts: hosts, Schema: schema, Tables: postgres.Both})
	d.exec(t, `ALTER SYSTEM SET synchronous_standby_names = 'second'`)
	d.exec(t, `SELECT pg_reload_conf()`)
	testserver.Poll(t, "the server has read its configuration", func() bool { return d.exec(t, `SHOW synchronous_standby_names`)[0] == "second" })
	write(t, s, pod("a", 1, 1), pod("b", 1, 1))
	fails(t, d.open(t, postgres.Options{Hosts: hosts[:1], Schema: schema}), "it is a standby", "unless name= is given", `"Failover"`)
	d.Kill(t)
	query(t, standby, `SELECT pg_promote()`)
	fails(t, s, "")
	batch := []*pipeline.Change{pod("a", 1, 2), gone("b", 1, 2)}
	testserver.Poll(t, "the promoted standby is found", func() bool { return s.Write(t.Context(), batch) == nil })
	promoted := &database{standby, standby.Addr()}
	if got := promoted.exec(t, `SELECT name, sequence, deleted_at IS NULL FROM `+schema+`.fairlead_state ORDER BY name`); strings.Join(got, " ") != "a|2|t b|2|f" {
		t.Errorf("the new primary has %q", got)
	}
	if n := len(promoted.events(t, schema)); n != 4 {
		t.Errorf("the new primary has %d events, want 4", n)
	}
}

// Each rule of errors.go, and some of what no rule is about, as a real server says it.
func TestRules(t *testing.T) {
	d := start(t)
	schema := d.schema(t)
	s := d.open(t, postgres.Options{Schema: schema})
	write(t, s, pod("before", 1, 1))
	d.exec(t, `CREATE FUNCTION `+schema+`.raise() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF new.kind LIKE 'raise %' THEN RAISE EXCEPTION 'told to %', new.kind USING ERRCODE = substr(new.kind, 7), CONSTRAINT = 'c'; END IF; RETURN new; END $$;
		CREATE TRIGGER raise BEFORE INSERT OR UPDATE ON `+schema+`.fairlead_state FOR EACH ROW EXECUTE FUNCTION `+schema+`.raise()`)
	for _, code := range postgres.Codes() {
		if code == "3D000" {
			continue // closes nothing here, and is tried by its own below
		}
		code = (code + "000")[:5]
		never := code == "22000" || code == "23000" || code == "54001"
		t.Run(code, func(t *testing.T) {
			c := pod("a", 1, 1)
			o := *c.Origin
			o.Kind = "raise " + code
			c.Origin = &o
			err := s.Write(t.Context(), []*pipeline.Change{pod("b", 1, 1), c})
			if err == nil || pipeline.IsPermanent(err) != never {
				t.Errorf("permanent is %t, want %t: %v", pipeline.IsPermanent(err), never, err)
			}
			says(t, err, "SQLSTATE "+code)
		})
	}
	for _, code := range []string{"08006", "40001", "40P01", "53200", "55P03", "57P01", "58030", "XX000", "P0001"} {
		c := pod("a", 1, 1)
		o := *c.Origin
		o.Kind = "raise " + code
		c.Origin = &o
		if err := s.Write(t.Context(), []*pipeline.Change{c}); err == nil || pipeline.IsPermanent(err) {
			t.Errorf("%s: permanent is %t: %v", code, pipeline.IsPermanent(err), err)
		}
	}
	none, err := postgres.Open(postgres.Options{Hosts: []string{d.addr}, Database: "none", User: user, Password: func(context.Context) (string, error) { return password, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	fails(t, none, `database "none" does not exist`, "make the database")
	if got := d.exec(t, `SELECT name FROM `+schema+`.fairlead_state`); len(got) != 1 || got[0] != "before" {
		t.Errorf("of batches that failed there is %q", got)
	}
}

// What a server says of data, without being told to.
func TestDataThatIsRefused(t *testing.T) {
	d := start(t)
	s := d.open(t, postgres.Options{Schema: d.schema(t), Tables: postgres.Both})
	change := func(f func(c *pipeline.Change)) *pipeline.Change {
		c := pod("a", 1, 1)
		f(c)
		return c
	}
	noise := make([]byte, 0, 8192)
	for i := range 2000 { // more than an index takes, and hardly compressible
		noise = fmt.Appendf(noise, "%x", (i*i*7919)%65521)
	}
	for name, c := range map[string]*pipeline.Change{
		"22021 a zero byte in a name":       change(func(c *pipeline.Change) { c.Key.Name = "a\x00b" }),
		"22021 no UTF-8 in an object":       change(func(c *pipeline.Change) { c.Object = []byte("{\"a\":\"\xff\"}") }),
		"22P02 no JSON":                     change(func(c *pipeline.Change) { c.Object = []byte(`{"a":`) }),
		"22003 a number that is too large":  change(func(c *pipeline.Change) { c.Object = []byte(`{"a":1e200000}`) }),
		"54001 nested too deeply":           change(func(c *pipeline.Change) { c.Object = []byte(strings.Repeat("[", 200000) + strings.Repeat("]", 200000)) }),
		"54000 a key too long for an index": change(func(c *pipeline.Change) { c.Key.Name = string(noise) }),
		"22008 a time that nobody lives in": change(func(c *pipeline.Change) {
			c.Observed = time.Date(290000, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(200000, 0, 0)
		}),
		"a term above the largest bigint":    change(func(c *pipeline.Change) { c.Origin = origin("edge", math.MaxUint64) }),
		"a sequence above the largest of it": change(func(c *pipeline.Change) { c.Sequence = math.MaxInt64 + 1 }),
	} {
		t.Run(name, func(t *testing.T) {
			err := s.Write(t.Context(), []*pipeline.Change{pod("b", 1, 1), c})
			if !pipeline.IsPermanent(err) {
				t.Errorf("not refused for good: %v", err)
			}
			if code, _, ok := strings.Cut(name, " "); ok && code != "a" {
				says(t, err, "SQLSTATE "+code)
			}
			if errors.Is(err, pipeline.ErrOldTerm) {
				t.Errorf("%v", err)
			}
		})
	}
	write(t, s, pod("b", 1, math.MaxInt64))
}

// A constraint that is checked at the end of the transaction is about data, too. What the
// settings of the transaction fail with is not.
func TestErrorsBeforeAndBehind(t *testing.T) {
	d := start(t)
	o := postgres.Options{Schema: d.schema(t)}
	s := d.open(t, o)
	write(t, s, pod("a", 1, 1))
	d.exec(t, `CREATE FUNCTION `+o.Schema+`.late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF new.name = 'bad' THEN RAISE EXCEPTION 'no' USING ERRCODE = '23514', CONSTRAINT = 'late'; END IF; RETURN new; END $$;
		CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON `+o.Schema+`.fairlead_state DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION `+o.Schema+`.late()`)
	if err := s.Write(t.Context(), []*pipeline.Change{pod("b", 1, 1), pod("bad", 1, 1)}); !pipeline.IsPermanent(err) {
		t.Errorf("what a constraint refuses at the end: %v", err)
	}
	write(t, s, pod("b", 1, 1))

	d.exec(t, `CREATE FUNCTION `+o.Schema+`.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '22023'; END $$;
		ALTER ROLE fairlead SET search_path = `+o.Schema+`, pg_catalog`)
	fails(t, d.open(t, o), "SQLSTATE 22023")
}

func TestFilesAreReadForEachConnection(t *testing.T) {
	d := start(t)
	schema := d.schema(t)
	path := testdb.File(t, "password", []byte("wrong-secret\n"))
	spec, err := parse("postgres://fairlead@" + d.addr + "/postgres?sslmode=disable&schema=" + schema + "&password-file=" + path)
	if err != nil {
		t.Fatal(err)
	}
	s := opened(t, spec)
	fails(t, s, "password authentication failed")
	replace(t, path, password+"\n")
	write(t, s, pod("a", 1, 1))
}
