package postgres_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/postgres"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The user that sinks log in as.
const user, password = "fairlead", "fairlead-secret"

// database is a server with that user.
type database struct {
	*testdb.Postgres
	addr string // where sinks connect to
}

// start starts a server whose user may do nothing yet.
func start(t testing.TB, settings ...string) *database {
	p := testdb.StartPostgres(t, settings...)
	d := &database{p, p.Addr()}
	d.exec(t, `CREATE ROLE fairlead LOGIN PASSWORD 'fairlead-secret'`)
	return d
}

var schemas atomic.Int64

// schema makes a schema that no other test has, in which the user may make tables.
func (d *database) schema(t testing.TB) string {
	t.Helper()
	name := fmt.Sprint("s", schemas.Add(1))
	d.exec(t, `CREATE SCHEMA `+name+`; GRANT USAGE, CREATE ON SCHEMA `+name+` TO fairlead`)
	return name
}

// made makes a schema with tables, in which the user may do what it must and no more.
func (d *database) made(t testing.TB, o postgres.Options) string {
	t.Helper()
	name := fmt.Sprint("s", schemas.Add(1))
	d.exec(t, `CREATE SCHEMA `+name+`; `+postgres.Migration(name, o.Exact, 0)+strings.ReplaceAll(leastRights, "public", name))
	return name
}

// leastRights are those of doc.go.
const leastRights = `
	GRANT USAGE ON SCHEMA public TO fairlead;
	GRANT SELECT ON public.fairlead_schema, public.fairlead_objects TO fairlead;
	GRANT SELECT, INSERT, UPDATE ON public.fairlead_writer TO fairlead;
	GRANT SELECT, INSERT, UPDATE, DELETE ON public.fairlead_state TO fairlead;
	GRANT SELECT, INSERT ON public.fairlead_history TO fairlead;
`

// session connects as the superuser.
func session(t testing.TB, p *testdb.Postgres) *pgconn.PgConn {
	t.Helper()
	host, port, _ := strings.Cut(p.Addr(), ":")
	conn, err := pgconn.Connect(t.Context(), fmt.Sprintf("host=%s port=%s user=postgres dbname=postgres password=%s sslmode=disable", host, port, p.Password))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// query runs statements as the superuser, and returns the rows of the last one, their
// columns joined by a bar.
func query(t testing.TB, p *testdb.Postgres, sql string) (rows []string) {
	t.Helper()
	conn := session(t, p)
	defer conn.Close(t.Context())
	results, err := conn.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	for _, row := range results[len(results)-1].Rows {
		var columns []string
		for _, column := range row {
			columns = append(columns, string(column))
		}
		rows = append(rows, strings.Join(columns, "|"))
	}
	return rows
}

func (d *database) exec(t testing.TB, sql string) []string {
	t.Helper()
	return query(t, d.Postgres, sql)
}

// open returns a sink that is closed with the test.
func (d *database) open(t testing.TB, o postgres.Options) *postgres.Sink {
	t.Helper()
	if o.Hosts == nil {
		o.Hosts = []string{d.addr}
	}
	o.Database, o.User = "postgres", cmp.Or(o.User, user)
	if o.Password == nil {
		o.Password = func(context.Context) (string, error) { return password, nil }
	}
	s, err := postgres.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sync.OnceFunc(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}))
	return s
}

var pods = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// origin is that of pods of a cluster in a term.
func origin(cluster string, term uint64) *pipeline.Origin {
	return &pipeline.Origin{Cluster: cluster, ClusterUID: "uid-" + cluster, Resource: pods, Kind: "Pod", Namespaced: true, Term: term}
}

// pod is a state of a pod in a term.
func pod(name string, term, sequence uint64) *pipeline.Change {
	return &pipeline.Change{
		Key: pipeline.Key{Cluster: "edge", Resource: "pods", Namespace: "shop", Name: name}, Origin: origin("edge", term), Op: pipeline.Updated,
		UID: types.UID("uid-" + name), ResourceVersion: strconv.FormatUint(sequence, 10), Sequence: sequence,
		Object:   fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q,"namespace":"shop"},"spec":{"containers":[{"name":"c","image":"registry.example/app:%d"}]}}`, name, sequence),
		Observed: time.Now(),
	}
}

// gone is the deletion of a pod.
func gone(name string, term, sequence uint64) *pipeline.Change {
	c := pod(name, term, sequence)
	c.Op, c.Object, c.Tombstone = pipeline.Deleted, nil, true
	return c
}

func write(t testing.TB, s pipeline.Sink, batch ...*pipeline.Change) {
	t.Helper()
	if err := s.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

// fails writes a change, and checks that the error is transient and says all of that.
func fails(t testing.TB, s pipeline.Sink, wants ...string) {
	t.Helper()
	err := s.Write(t.Context(), []*pipeline.Change{pod("a", 1, 1)})
	if err == nil || pipeline.IsPermanent(err) {
		t.Fatalf("Write: %v, want an error that is not permanent", err)
	}
	says(t, err, wants...)
}

func says(t testing.TB, err error, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), password) {
		t.Errorf("the error shows the password: %v", err)
	}
}

// events reads the history as events, in the order in which they came.
func (d *database) events(t testing.TB, schema string) (events []pipeline.Event) {
	t.Helper()
	for _, row := range d.exec(t, `SELECT json_build_object('cluster', cluster, 'resource', resource, 'namespace', namespace, 'name', name, 'id', id, 'op', op, 'cluster_uid', cluster_uid,
			'uid', uid, 'api_version', api_version, 'kind', kind, 'resource_version', resource_version, 'term', term::text, 'sequence', sequence::text,
			'observed', observed AT TIME ZONE 'UTC', 'snapshot', snapshot, 'tombstone', tombstone, 'object', object::text)::text
			FROM `+schema+`.fairlead_history ORDER BY position`) {
		var r struct {
			Cluster, Resource, Namespace, Name, ID, Op, UID, Kind string
			ClusterUID                                            string `json:"cluster_uid"`
			APIVersion                                            string `json:"api_version"`
			ResourceVersion                                       string `json:"resource_version"`
			Term, Sequence                                        string
			Observed                                              string
			Snapshot, Tombstone                                   bool
			Object                                                *string
		}
		if err := json.Unmarshal([]byte(row), &r); err != nil {
			t.Fatal(err)
		}
		e := pipeline.Event{
			SpecVersion: "1.0", Type: "dev.fairlead.resource." + r.Op + ".v1", ID: r.ID, Cluster: r.Cluster, ClusterUID: r.ClusterUID, APIVersion: r.APIVersion, Kind: r.Kind,
			Namespace: r.Namespace, Name: r.Name, ResourceVersion: r.ResourceVersion, Snapshot: r.Snapshot, Tombstone: r.Tombstone,
		}
		e.Term, e.Sequence = ordinal(t, r.Term), ordinal(t, r.Sequence)
		c := pipeline.Change{Key: e.Key(), Origin: &pipeline.Origin{Resource: e.Resource()}}
		if c.Key.Resource != r.Resource {
			t.Errorf("column resource is %q, and the id says %q", r.Resource, c.Key.Resource)
		}
		for name, value := range c.Attributes() {
			switch name {
			case "source":
				e.Source = value
			case "subject":
				e.Subject = value
			}
		}
		if r.Object != nil {
			e.DataContentType, e.Data = "application/json", json.RawMessage(*r.Object)
		}
		if r.Observed != "" {
			at, err := time.Parse("2006-01-02T15:04:05.999999", r.Observed)
			if err != nil {
				t.Fatal(err)
			}
			e.Time = at
		}
		events = append(events, e)
	}
	return events
}

func ordinal(t testing.TB, text string) pipeline.Ordinal {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Ordinal(n)
}

// held reads back what the suites have written.
func held(t testing.TB, s *postgres.Sink) (all []sinks.Held) {
	t.Helper()
	for _, resource := range []string{"configmaps", "clusterroles.rbac.authorization.k8s.io", "pods"} {
		for _, cluster := range []string{"alpha", "edge"} {
			if err := s.ReadBack(t.Context(), cluster, resource, func(h sinks.Held) error {
				h.Object = append([]byte(nil), h.Object...)
				all = append(all, h)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

func TestConformance(t *testing.T) {
	d := start(t)
	bouncer := &database{d.Postgres, d.StartPgbouncer(t, map[string]string{user: password}).Addr()}
	for name, test := range map[string]struct {
		on *database
		o  postgres.Options
	}{
		"state":           {d, postgres.Options{Tables: postgres.State}},
		"history as json": {d, postgres.Options{Tables: postgres.History, Exact: true}},
		"both":            {d, postgres.Options{Tables: postgres.Both, Notify: "changes"}},
		"pgbouncer":       {bouncer, postgres.Options{Tables: postgres.Both, Connections: 4}},
	} {
		t.Run(name, func(t *testing.T) {
			o := test.o
			o.NoMigrate = true
			if o.Tables != postgres.State {
				sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
					o := o
					o.Schema = d.made(t, o)
					return test.on.open(t, o), func() []pipeline.Event { return d.events(t, o.Schema) }
				})
			}
			if o.Tables != postgres.History {
				sinktest.RunState(t, func(t *testing.T) (pipeline.Sink, func() []sinks.Held) {
					o := o
					o.Schema = d.made(t, o)
					s := test.on.open(t, o)
					return s, func() []sinks.Held { return held(t, s) }
				})
			}
		})
	}
}

func TestOutages(t *testing.T) {
	d := start(t)
	bouncer := &database{d.Postgres, d.StartPgbouncer(t, map[string]string{user: password}).Addr()}
	for name, on := range map[string]*database{"direct": d, "pgbouncer": bouncer} {
		t.Run(name, func(t *testing.T) {
			sinktest.RunOutages(t, func(t *testing.T) sinktest.Stand {
				o := postgres.Options{Schema: d.schema(t), Timeout: 10 * time.Second}
				s := on.open(t, o)
				return sinktest.Stand{
					Sink: s, Held: func() []sinks.Held { return held(t, s) },
					Stop: func() { d.Kill(t) }, Start: func() { d.Start(t) },
					Hang: func() { d.Pause(t) }, Resume: func() { d.Resume(t) },
					Waits: func() bool { return loopback.Unread(d.Addr()) },
					Open: func() pipeline.Sink {
						return on.open(t, postgres.Options{Schema: o.Schema, Timeout: 30 * time.Second})
					},
				}
			})
		})
	}
}

// A row that a constraint of the table's owner refuses is refused by itself.
func TestPoison(t *testing.T) {
	d := start(t)
	sinktest.RunPoison(t, func(t *testing.T) (sinktest.Stand, func(*pipeline.Change)) {
		o := postgres.Options{NoMigrate: true}
		o.Schema = d.made(t, o)
		d.exec(t, `ALTER TABLE `+o.Schema+`.fairlead_state ADD CHECK (object->>'kind' <> 'Refused')`)
		s := d.open(t, o)
		return sinktest.Stand{Sink: s, Held: func() []sinks.Held { return held(t, s) }},
			func(c *pipeline.Change) { c.Object = []byte(`{"apiVersion":"v1","kind":"Refused"}`) }
	})
}

// A server that makes constants of a batch's values, to plan with them, copies these again and
// again. What is set for that ends with the transaction, and has gone when the next one of the
// connection raises the term.
func TestWritesArePlannedWithoutTheirValues(t *testing.T) {
	d := start(t)
	o := postgres.Options{Schema: d.schema(t)}
	s := d.open(t, o)
	write(t, s, pod("a", 1, 1))
	d.exec(t, `CREATE TABLE `+o.Schema+`.planned (at int GENERATED ALWAYS AS IDENTITY, what text);
		CREATE FUNCTION `+o.Schema+`.note() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO `+o.Schema+`.planned (what) VALUES (tg_table_name || ' ' || current_setting('plan_cache_mode')); RETURN new; END $$;
		CREATE TRIGGER note BEFORE INSERT ON `+o.Schema+`.fairlead_state FOR EACH ROW EXECUTE FUNCTION `+o.Schema+`.note();
		CREATE TRIGGER note BEFORE UPDATE ON `+o.Schema+`.fairlead_writer FOR EACH ROW EXECUTE FUNCTION `+o.Schema+`.note()`)
	write(t, s, pod("b", 1, 1), pod("c", 1, 1))
	write(t, s, pod("d", 2, 1))
	want := []string{"fairlead_state force_generic_plan", "fairlead_state force_generic_plan", "fairlead_writer auto", "fairlead_state force_generic_plan"}
	if got := d.exec(t, `SELECT what FROM `+o.Schema+`.planned ORDER BY at`); !slices.Equal(got, want) {
		t.Errorf("planned with %q, want %q", got, want)
	}
}
