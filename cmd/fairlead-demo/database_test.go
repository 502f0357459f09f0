package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/postgres"
)

// What the demo compares with the API servers is the table that the sink has written, row by
// row: each row that is missing, too much or old makes a difference.
func TestTableIsCompared(t *testing.T) {
	d := &database{tables: lab.StartTables(t)}
	spec, err := sinks.Kinds{postgres.Kind()}.Parse(d.flag())
	if err != nil {
		t.Fatal(err)
	}
	sink, err := spec.Open(t.Context(), sinks.Env{Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.(io.Closer).Close()
	origin := &pipeline.Origin{Cluster: quiet, Kind: "ConfigMap", Namespaced: true, Term: 1, Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}}
	held := map[replay.Object]string{}
	var batch []*pipeline.Change
	for i, name := range []string{"a", "b", "gone"} {
		c := &pipeline.Change{
			Key: pipeline.Key{Cluster: quiet, Resource: "configmaps", Namespace: "demo", Name: name}, Origin: origin, Op: pipeline.Added,
			UID: types.UID("u-" + name), ResourceVersion: strconv.Itoa(10 + i), Object: []byte(`{"data":{}}`), Observed: time.Now(), Sequence: uint64(1 + i),
		}
		batch = append(batch, c)
		held[replay.Object{Cluster: quiet, Resource: "configmaps", Namespace: "demo", Name: name, UID: string(c.UID)}] = c.ResourceVersion
	}
	gone := *batch[2]
	gone.Op, gone.Sequence = pipeline.Deleted, 9
	delete(held, replay.Object{Cluster: quiet, Resource: "configmaps", Namespace: "demo", Name: "gone", UID: "u-gone"})
	if err := sink.Write(t.Context(), append(batch, &gone)); err != nil {
		t.Fatal(err)
	}
	differs := func(what string, missing, ghosts int) {
		t.Helper()
		got, err := d.difference(t.Context(), held)
		if err != nil || len(got.Missing) != missing || len(got.Ghosts) != ghosts {
			t.Errorf("%s: %+v, %v, want %d missing and %d ghosts", what, got, err, missing, ghosts)
		}
	}
	differs("what was written", 0, 0)
	if table, err := d.table(t.Context()); err != nil || cmp.Diff(map[string]int{quiet: 2}, counts(t, table)) != "" {
		t.Errorf("%v, the table is\n%s", err, table)
	}
	for _, breaks := range []struct {
		what, sql       string
		missing, ghosts int
	}{
		{"an old row", `UPDATE fairlead_state SET resource_version = '1' WHERE name = 'a'`, 1, 0},
		{"a row of another object", `UPDATE fairlead_state SET uid = 'other' WHERE name = 'b'`, 2, 1},
		{"a row that nobody has", `UPDATE fairlead_state SET deleted_at = NULL WHERE name = 'gone'`, 2, 2},
		{"no rows", `DELETE FROM fairlead_state`, 2, 0},
	} {
		if _, err := d.tables.Query(t.Context(), breaks.sql); err != nil {
			t.Fatal(err)
		}
		differs(breaks.what, breaks.missing, breaks.ghosts)
	}
}

// counts are how many objects a table that the demo prints has of each member.
func counts(t *testing.T, table string) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+) +(\d+)  +\d+  `).FindAllStringSubmatch(table, -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		all[m[1]] = n
	}
	return all
}

// demoVariable names the program with which the whole demo is run: make test-demo sets it. It
// takes four control planes, half a minute and as much of a processor.
const demoVariable = "FAIRLEAD_TEST_DEMO"

// TestDemoWithATable runs the demo from start to end, and reads what it prints: the table in
// PostgreSQL holds in the end what the members hold.
func TestDemoWithATable(t *testing.T) {
	program := os.Getenv(demoVariable)
	if program == "" {
		t.Skip("run it with make test-demo")
	}
	var out bytes.Buffer
	cmd := newCommand(func(ctx context.Context, o *options) error {
		return play(ctx, o, &screen{start: time.Now(), width: func() int { return 80 }, out: &out})
	})
	cmd.SetArgs([]string{"--sink", sinkPostgres, "--fairlead", program, "--objects", "20", "--duration", "6s", "--cut", "2s", "--settle", "2m"})
	err := cmd.ExecuteContext(t.Context())
	said := strings.TrimSpace(out.String())
	var r result
	if wrong := json.Unmarshal([]byte(said[strings.LastIndex(said, "\n")+1:]), &r); err != nil || wrong != nil {
		t.Fatalf("%v, %v\n%s", err, wrong, said)
	}
	if r.Clusters != len(memberNames) || r.Objects == 0 || r.Missing+r.Ghosts+r.OutOfOrder > 0 {
		t.Errorf("%+v", r)
	}
	_, table, _ := strings.Cut(said, "The table in PostgreSQL, compared with the API servers row by row:")
	in := counts(t, table)
	sum := 0
	for _, name := range memberNames {
		sum += in[name]
		if in[name] == 0 {
			t.Errorf("the table has nothing of %s", name)
		}
	}
	if len(in) != len(memberNames) || sum != r.Objects {
		t.Errorf("the table has %v, and the members have %d objects\n%s", in, r.Objects, said)
	}
}
