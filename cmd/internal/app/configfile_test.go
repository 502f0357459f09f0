package app

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

const configHeader = "apiVersion: fairlead.dev/v1alpha1\nkind: Config\n"

// writeConfig writes a configuration file and returns its path.
func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fairlead.yaml")
	writeFile(t, path, configHeader+text)
	return path
}

func TestConfigurationFile(t *testing.T) {
	s, err := parseFlags(t, "--cluster-burst=7", "--config="+writeConfig(t, `
watches:
- pods
- resource: deployments.apps
  labelSelector: app=a,tier in (x,y)
  fieldSelector: metadata.name=a+b%&c
routes:
- stdout:?name=screen
- sink: file:/var/log/a?b,c.jsonl
  name: audit
clusters:
- source: kubeconfig:/etc/fleet
  contexts: ["a,b", "c&d", e%41]
clusterQps: 5
clusterBurst: 9
clusterLimits:
- edge-1=50:100:2
- {cluster: edge=2, qps: 0.5, burst: 3}
laneBytes: 32Mi
staleAfter: 2m
leaderElect: true
leaderElectionNamespace: fleet
`))
	if err != nil {
		t.Fatal(err)
	}
	if s.ClusterQPS != 5 || s.ClusterBurst != 7 || s.LaneBytes != 32<<20 {
		t.Errorf("qps %v, burst %d, lane bytes %d; want 5 and 32Mi of the file, and 7 of the command line", s.ClusterQPS, s.ClusterBurst, s.LaneBytes)
	}
	if !s.LeaderElect {
		t.Error("leaderElect: true does not count")
	}
	if got := s.Clusters; len(got) != 1 || got[0] != "kubeconfig:/etc/fleet?contexts=a%2Cb&contexts=c%26d&contexts=e%2541" {
		t.Errorf("clusters %q", got)
	}
	if len(s.specs) != 2 || s.specs[1].Labels != "app=a,tier in (x,y)" || s.specs[1].Fields != "metadata.name=a+b%&c" {
		t.Errorf("watches %q", s.specs)
	}
	var names []string
	for _, k := range s.sinks {
		names = append(names, k.Identity)
	}
	if diff := cmp.Diff([]string{"screen", "audit"}, names); diff != "" {
		t.Errorf("sinks, -want +got:\n%s", diff)
	}
	want := []clusterLimit{{"edge-1", ratelimit.Limit{QPS: 50, Burst: 100}, 2}, {"edge=2", ratelimit.Limit{QPS: 0.5, Burst: 3}, 1}}
	if diff := cmp.Diff(want, s.limits, cmp.AllowUnexported(clusterLimit{})); diff != "" {
		t.Errorf("limits, -want +got:\n%s", diff)
	}
}

// Each parameter of a watch is a key, and each key a parameter.
func TestParametersOfAWatch(t *testing.T) {
	_, err := stream.ParseSpec("pods?none=x")
	if err == nil {
		t.Fatal("there is a parameter none")
	}
	for _, name := range []string{"namespace", "labelSelector", "fieldSelector", "mode", "where", "changed", "unchanged", "drop", "redact", "only", "preset"} {
		if watchParams[name] == "" || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %q in the file, and ParseSpec says %v", name, watchParams[name], err)
		}
	}
	if want := len(watchParams); strings.Count(err.Error()[strings.Index(err.Error(), "there are"):], ",")+2 != want {
		t.Errorf("%v; there are %d keys", err, want)
	}
}

// What is wrong with a value of the file is reported with its line; of the command line,
// without.
func TestErrorsOfAConfigurationFile(t *testing.T) {
	path := writeConfig(t, "watches: [pods]\nroutes:\n- sink: file:a?name=x\n  name: b\n")
	if _, err := parseFlags(t, "--config="+path); err == nil || !strings.Contains(err.Error(), path+": line 5: routes[0]: parameters follow a question mark") {
		t.Errorf("%v", err)
	}
	if _, err := parseFlags(t, "--config="+writeConfig(t, "watches: [pods]\nroutes:\n- sink: file:a\n  nam: b\n")); err == nil || !strings.Contains(err.Error(), "line 5: routes[0]: parameter nam is unknown; did you mean name?") {
		t.Errorf("%v", err)
	}
	path = writeConfig(t, `watches:
- pods
- nodes?mode=all
clusterQps: -1
staleAfter: soon
logLevel: loud
reconnectMax: 500ms
`)
	_, err := parseFlags(t, "--log-format=xml", "--config="+path)
	for _, want := range []string{
		path + ", line 5: --watch: ", path + ", line 6: --cluster-qps: ", path + `, line 7: --stale-after: "soon": no duration`,
		path + ", line 8: --log-level: ", path + ", line 9: --reconnect-min: ", "\n--log-format: ",
	} {
		if err == nil || !strings.Contains("\n"+err.Error(), want) {
			t.Errorf("%v\nwant %q", err, want)
		}
	}
	if _, err := parseFlags(t, "--config="+filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "--config: read") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestConfigCommands(t *testing.T) {
	run := func(args ...string) (string, error) {
		cmd := NewCommand(Options{Version: "test"})
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetArgs(args)
		err := cmd.Execute()
		return out.String(), err
	}
	good, bad := writeConfig(t, "watches: [pods, nodes]\n"), writeConfig(t, "watches: [pods]\nrouts: []\n")
	if out, err := run("config", "validate", good); err != nil || !strings.Contains(out, "is valid: 2 watches, 1 routes") {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := run("config", "validate", good, "--watch=services"); err != nil || !strings.Contains(out, "is valid: 1 watches") {
		t.Errorf("with a flag: %q, %v", out, err)
	}
	if _, err := run("config", "validate", bad); err == nil || !strings.Contains(err.Error(), `line 4: unknown key "routs"; did you mean routes?`) {
		t.Errorf("%v", err)
	}
	out, err := run("config", "schema")
	var schema struct{ Properties map[string]any }
	if err != nil || json.Unmarshal([]byte(out), &schema) != nil || schema.Properties["watches"] == nil || schema.Properties["config"] != nil {
		t.Errorf("schema %s, %v", out, err)
	}
}

// The limits of the file hold as soon as it is read again, under what descriptions of
// clusters ask for; what else it changes needs a restart, and is named.
func TestReload(t *testing.T) {
	path := writeConfig(t, "watches: [pods]\nclusterQps: 5\nclusterBurst: 6\nclusterLimits: [a=1:2:3, b=1:2]\n")
	s, err := parseFlags(t, "--config="+path)
	if err != nil {
		t.Fatal(err)
	}
	r := &route{buckets: ratelimit.New(ratelimit.Limit{}), snapshots: ratelimit.New(ratelimit.Limit{}), memory: budget.New(1<<30, 1, 16<<20).Route()}
	r.queue = stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{Name: "reload", Buckets: r.buckets, SnapshotBuckets: r.snapshots})
	defer r.queue.ShutDown()
	p := &program{settings: s, limiter: newLimiter(s.clusterLimits()), registerer: prometheus.NewRegistry(), changes: newChanges(s), log: newLeveledLogger(outputOf(t), s.level, "text")}
	p.limiter.open(routes{r})
	for cluster, asked := range map[string]fleet.Limits{"a": {}, "c": {}, "d": {QPS: new(4.0)}} {
		p.limiter.limit(cluster, asked)
	}
	reload, err := p.newReloader()
	if err != nil {
		t.Fatal(err)
	}
	limits := func() map[string]ratelimit.Limit {
		all := map[string]ratelimit.Limit{}
		for _, cluster := range []string{"a", "b", "c", "d", "new"} {
			all[cluster] = r.buckets.Limit(cluster)
		}
		return all
	}
	check := func(what string, want map[string]ratelimit.Limit, successful, restart float64) {
		t.Helper()
		if diff := cmp.Diff(want, limits()); diff != "" {
			t.Errorf("%s: limits, -want +got:\n%s", what, diff)
		}
		if got := testutil.ToFloat64(reload.metrics.successful); got != successful {
			t.Errorf("%s: successful %v, want %v", what, got, successful)
		}
		if got := float64(testutil.CollectAndCount(reload.metrics.restart)); got != restart {
			t.Errorf("%s: %v flags need a restart, want %v", what, got, restart)
		}
	}
	before := map[string]ratelimit.Limit{"a": {QPS: 1, Burst: 2}, "b": {QPS: 1, Burst: 2}, "c": {QPS: 5, Burst: 6}, "d": {QPS: 4, Burst: 6}, "new": {QPS: 5, Burst: 6}}
	check("at the start", before, 1, 0)

	look := func() {
		reload.look(t.Context(), false)
		reload.look(t.Context(), false) // what the first has seen has settled
	}
	look()
	check("unchanged", before, 1, 0)

	writeFile(t, path, configHeader+"watches: [pods]\n")
	reload.look(t.Context(), false)
	writeFile(t, path, configHeader+"watches: [pods]\nclusterQps: 5\nclusterBurst: 6\nclusterLimits: [a=1:2:3, b=1:2]\n")
	reload.look(t.Context(), false)
	check("a file that was being written", before, 1, 0)

	writeFile(t, path, configHeader+"watches: [pods]\nclusterQps: 0.00001\n")
	look()
	check("not valid", before, 0, 0)

	if err := os.Rename(path, path+".gone"); err != nil {
		t.Fatal(err)
	}
	look()
	check("gone", before, 0, 0)

	writeFile(t, path, configHeader+"watches: [pods, nodes]\nledger: other\nclusters: [dir:/else]\nclusterQps: 50\nclusterBurst: 60\nlogLevel: debug\nclusterSnapshotQps: 3\nclusterLimits: [b=9:9, x=7:7]\n")
	look()
	after := map[string]ratelimit.Limit{"a": {QPS: 50, Burst: 60}, "b": {QPS: 9, Burst: 9}, "c": {QPS: 50, Burst: 60}, "d": {QPS: 4, Burst: 60}, "new": {QPS: 50, Burst: 60}}
	check("changed", after, 1, 2)
	if got := r.buckets.Limit("x"); got != (ratelimit.Limit{QPS: 7, Burst: 7}) {
		t.Errorf("a cluster that is not there yet gets %v", got)
	}
	if got := r.snapshots.Limit("a").QPS; got != 3 {
		t.Errorf("the limit of snapshots is %v", got)
	}
	if !p.log.V(1).Enabled() {
		t.Error("the log level is as before")
	}

	writeFile(t, path, configHeader+"watches: [pods]\nclusterQps: 5\nclusterBurst: 6\nclusterLimits: [a=1:2:3, b=1:2]\n")
	reload.look(t.Context(), true)
	check("as at the start", before, 1, 0)
}

// A program that runs reads its file when it is asked to.
func TestReloadOnHangup(t *testing.T) {
	path := writeConfig(t, "watches: [pods]\nclusterQps: 5\n")
	s := must(parseFlags(t, "--config="+path, "--clusters=dir:"+t.TempDir(), "--ledger=memory:",
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--admin-bind-address=0"))(t)
	s.configPoll = time.Hour
	r := startSettings(t, s, newRecorder())
	limit := func() float64 { return r.program.current().routes[0].buckets.Limit("a").QPS }
	r.await("the program has started", func() bool {
		select {
		case <-r.program.started:
			return true
		default:
			return false
		}
	})
	if limit() != 5 {
		t.Errorf("the limit is %v", limit())
	}
	writeFile(t, path, configHeader+"watches: [pods]\nclusterQps: 50\n")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	r.await("the limit of the file holds", func() bool { return limit() == 50 })
}

// The examples of the page are valid, and the schema beside it is that of the program.
func TestConfigurationPage(t *testing.T) {
	page := string(must(os.ReadFile("../../../docs/configuration-file.md"))(t))
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(examples) == 0 {
		t.Fatal("the page shows no example")
	}
	for _, example := range examples {
		path := filepath.Join(t.TempDir(), "fairlead.yaml")
		writeFile(t, path, example[1])
		if _, err := parseFlags(t, "--config="+path); err != nil {
			t.Errorf("%v\n%s", err, example[1])
		}
	}
	_, flags, err := fromFlags(nil, new(Options))
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range liveFlags {
		if flags.Lookup(flag) == nil {
			t.Errorf("there is no flag --%s", flag)
		}
	}
	const at = "../../../docs/config.schema.json"
	schema := append(must(configFormat(flags, new(Options)).Schema(configSchemaID))(t), '\n')
	if *writeDocs {
		writeFile(t, at, string(schema))
	}
	if before := must(os.ReadFile(at))(t); !bytes.Equal(before, schema) {
		t.Errorf("%s is stale: run make docs", at)
	}
}
