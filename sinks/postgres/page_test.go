package postgres_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/internal/testpages"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/postgres"
)

const page = "../../docs/sinks/postgres.md"

// run runs a block in a database as a user, statement by statement, and returns the
// rows of the last one, without the columns that are times.
func run(t *testing.T, p *testdb.Postgres, database, user, password, sql string) (rows []string) {
	t.Helper()
	host, port, _ := strings.Cut(p.Addr(), ":")
	conn, err := pgconn.Connect(t.Context(), fmt.Sprintf("host=%s port=%s user=%s dbname=%s password=%s sslmode=disable", host, port, user, database, password))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for statement := range strings.SplitSeq(sql, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		results, err := conn.Exec(t.Context(), statement).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		rows = nil
		for _, row := range results[len(results)-1].Rows {
			var columns []string
			for i, column := range row {
				const timestamptz = 1184
				if results[0].FieldDescriptions[i].DataTypeOID != timestamptz {
					columns = append(columns, string(column))
				}
			}
			rows = append(rows, strings.Join(columns, "|"))
		}
	}
	return rows
}

// The page is followed from the set-up to the queries, whose answers are those about
// the objects that were written.
func TestPage(t *testing.T) {
	sql := testpages.Read(t, page).ByComment("sql", "--")
	d := start(t)
	d.exec(t, `DROP ROLE fairlead`)
	super := func(database, block string) {
		t.Helper()
		if sql[block] == "" {
			t.Fatalf("the page has no block %q", block)
		}
		run(t, d.Postgres, database, "postgres", d.Password, sql[block])
	}
	super("postgres", "set-up")
	s, err := postgres.Open(postgres.Options{
		Hosts: []string{d.addr}, Database: "fleet", User: "fairlead", Tables: postgres.Both,
		Password: func(context.Context) (string, error) { return "change-me", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	inCluster := func(c *pipeline.Change, cluster string) *pipeline.Change {
		o := *c.Origin
		o.Cluster, c.Key.Cluster, c.Origin = cluster, cluster, &o
		return c
	}
	deployment := func(cluster, name, image string) *pipeline.Change {
		c := inCluster(pod(name, 1, 1), cluster)
		c.Key.Resource = "deployments.apps"
		c.Origin.Resource, c.Origin.Kind = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, "Deployment"
		c.Object = fmt.Appendf(nil, `{"spec":{"template":{"spec":{"containers":[{"image":%q}]}}}}`, image)
		c.Observed = time.Now().Add(-3 * time.Hour)
		return c
	}
	write(t, s, pod("web-1", 1, 1), pod("web-2", 1, 2), inCluster(pod("web-1", 1, 2), "far"), pod("gone", 1, 1),
		deployment("edge", "same", "a:1"), deployment("far", "same", "a:1"), deployment("edge", "other", "b:1"), deployment("far", "other", "b:2"))
	write(t, s, pod("web-1", 1, 2), gone("gone", 1, 2))

	super("fleet", "set-up, in database fleet")
	for block, want := range map[string][]string{
		"Which images run, and in how many Pods of which cluster?":               {"registry.example/app:2|edge|2", "registry.example/app:2|far|1"},
		"Which Deployments have another image in one cluster than in another?":   {`shop|other|{"far": "b:2", "edge": "b:1"}`},
		"What changed in the last hour?":                                         {"edge|pods|shop|web-1", "far|pods|shop|web-1", "edge|pods|shop|web-2"},
		"What was deleted in the last day?":                                      {"edge|pods|shop|gone"},
		"What happened to one object? (tables=both or history)":                  {"updated|1|registry.example/app:1", "updated|2|registry.example/app:2"},
		"How many changes were there in each hour of the last day, and of what?": {"deployments.apps|updated|4", "pods|updated|5", "pods|deleted|1"},
		"In a session that listens:":                                             nil,
	} {
		if sql[block] == "" {
			t.Errorf("the page has no query %q", block)
			continue
		}
		got := run(t, d.Postgres, "fleet", "reader", "change-me-too", sql[block])
		for _, row := range want {
			if n := strings.Count("\n"+strings.Join(got, "\n")+"\n", "\n"+row+"\n"); n != 1 {
				t.Errorf("%s\nhas %q, want %q once", block, got, row)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s\nhas %q, want %q", block, got, want)
		}
		delete(sql, block)
	}
	const stopped = "with Fairlead stopped, before its sink gets another identity"
	super("fleet", stopped)
	if got := run(t, d.Postgres, "fleet", "fairlead", "change-me", `SELECT (SELECT count(*) FROM fairlead_state), (SELECT count(*) > 0 FROM fairlead_history)`); len(got) != 1 || got[0] != "0|t" {
		t.Errorf("after it the tables have %q", got)
	}
	for _, made := range []string{stopped, "set-up", "set-up, in database fleet", "tables", "rights"} {
		delete(sql, made)
	}
	for block := range sql {
		t.Errorf("nothing tries the block %q", block)
	}
}

// The SQL on the page is that of the program, and the rights are those of TestLeastRights
// and of the package's documentation.
func TestPageHasTheTables(t *testing.T) {
	sql := testpages.Read(t, page).ByComment("sql", "--")
	if got, want := sql["tables"], postgres.Migration("public", false, 0); got != want {
		t.Errorf("the page has\n%s\nand the program\n%s", got, want)
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	plain := func(text string) string {
		return strings.Join(strings.Fields(strings.NewReplacer("//", "", "public.", "").Replace(text)), " ")
	}
	if got := plain(sql["rights"]); got != plain(leastRights) || !strings.Contains(plain(string(doc)), got) {
		t.Errorf("the page has %s, the package's documentation or the test something else", got)
	}
}

// Hosts are part of a sink's identity, unless it has a name. Whoever follows the page gives
// it one, so that the hosts may change.
func TestPageNamesTheSink(t *testing.T) {
	examples := regexp.MustCompile(`postgres://[^'`+"`"+` ]*\?[^'`+"`"+` ]*`).FindAllString(testpages.Read(t, page).Text(), -1)
	if len(examples) < 2 {
		t.Errorf("examples are %q, want that of the set-up and that of failover", examples)
	}
	for _, e := range examples {
		spec, err := parse(strings.TrimSuffix(e, "&..."))
		if err != nil || spec.Identity != "fleet" {
			t.Errorf("%s: the identity is not that of name=: %+v, %v", e, spec, err)
		}
	}
}

func TestPageHasTheMetrics(t *testing.T) {
	text := testpages.Read(t, page).Text()
	names := make(chan *prometheus.Desc, 32)
	s, err := postgres.Open(postgres.Options{Hosts: []string{"127.0.0.1"}, Database: "d", User: "u", Registerer: described{names}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	close(names)
	n := 0
	for desc := range names {
		name := regexp.MustCompile(`fqName: "([^"]*)"`).FindStringSubmatch(desc.String())[1]
		if n++; strings.Count(text, "| `"+name+"` |") != 1 {
			t.Errorf("the page does not describe %s once", name)
		}
	}
	if n == 0 {
		t.Error("there are no metrics")
	}
}

// described takes the descriptions of what is registered.
type described struct{ to chan *prometheus.Desc }

func (d described) Register(c prometheus.Collector) error { c.Describe(d.to); return nil }
func (d described) MustRegister(...prometheus.Collector)  {}
func (d described) Unregister(prometheus.Collector) bool  { return false }
