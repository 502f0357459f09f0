package testprom

import (
	"bytes"
	_ "embed" // the module that pins Prometheus
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testprogram"
	"github.com/fairlead-dev/fairlead/internal/testserver"
)

// The module that pins Prometheus, and the program that uses its parser.
var (
	//go:embed servers/prometheus.mod
	prometheusMod []byte
	//go:embed servers/prometheus.sum
	prometheusSum []byte
	//go:embed servers/selectors.go.txt
	selectorsMain []byte
)

const (
	prometheusModule = "github.com/prometheus/prometheus"
	target           = "make promtool"
	// requireEnv is fairleadtest.RequireEnv: with it a test fails where it would be skipped.
	requireEnv = "FAIRLEAD_REQUIRE_CONTROL_PLANE"
)

// Promtool is the promtool that tests run, without what discovers targets.
var Promtool = &testprogram.Program{
	Name: "promtool", Env: "FAIRLEAD_PROMTOOL", Target: target,
	Mod: prometheusMod, Sum: prometheusSum, Module: prometheusModule,
	Package: "github.com/prometheus/prometheus/cmd/promtool", Tags: "remove_all_sd",
}

// selectors prints what queries select.
var selectors = &testprogram.Program{
	Name: "promql-selectors", Env: "FAIRLEAD_PROMQL_SELECTORS", Target: target,
	Mod: prometheusMod, Sum: prometheusSum, Module: prometheusModule, Main: selectorsMain,
}

// Programs are all that are built.
var Programs = []*testprogram.Program{Promtool, selectors}

// Selector is a metric that a query reads, with the labels that it matches there, and those
// that an aggregation around it keeps.
type Selector struct {
	Metric string   `json:"metric"`
	Labels []string `json:"labels"`
}

// Selectors returns what each query reads. The test ends if one is no PromQL.
func Selectors(t testing.TB, queries ...string) (all [][]Selector) {
	t.Helper()
	input, err := json.Marshal(queries)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), find(t, selectors))
	command.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	if err := json.Unmarshal(output, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// CheckRules has promtool check a file of rules, and style as well.
func CheckRules(t testing.TB, rules string) {
	t.Helper()
	run(t, "", "check", "rules", "--lint=all", "--lint-fatal", rules)
}

// TestRules has promtool run tests of rules: files in which paths of rules are relative to
// the file, or whole.
func TestRules(t testing.TB, files ...string) {
	t.Helper()
	run(t, "", append([]string{"test", "rules"}, files...)...)
}

// Query is an expression, and the value of each label that it has at a time of a [Story].
type Query struct {
	At   string // since the beginning, such as "30m"
	Expr string
	Want []string // series, each with the value 1, such as `{alertname="Down"}`
}

// Story is what samples tell, and what queries over them and the rules say.
type Story struct {
	Rules    string // path
	Interval string // between two samples, such as "1m"
	Start    string // time of the first one, RFC 3339; empty: 1970
	// Series are the samples in promtool's notation, by name and labels.
	Series  []Series
	Queries []Query
}

// Series are the samples of one series.
type Series struct {
	Name   string // with its labels
	Values string // such as "1+2x30" or "_ _ 1 2"
}

// Tell has promtool compare a story with its queries.
func (s *Story) Tell(t testing.TB) {
	t.Helper()
	type object = map[string]any
	var series, queries []object
	for _, one := range s.Series {
		series = append(series, object{"series": one.Name, "values": one.Values})
	}
	for _, q := range s.Queries {
		want := []object{}
		for _, labels := range q.Want {
			want = append(want, object{"labels": labels, "value": 1})
		}
		queries = append(queries, object{"expr": q.Expr, "eval_time": q.At, "exp_samples": want})
	}
	rules, err := filepath.Abs(s.Rules)
	if err != nil {
		t.Fatal(err)
	}
	group := object{"interval": s.Interval, "input_series": series, "promql_expr_test": queries}
	if s.Start != "" {
		group["start_timestamp"] = s.Start
	}
	// JSON is YAML.
	text, err := json.Marshal(object{"rule_files": []string{rules}, "evaluation_interval": s.Interval, "tests": []object{group}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "story.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "", "test", "rules", file)
}

func run(t testing.TB, dir string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), find(t, Promtool), args...)
	command.Dir = dir
	output, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, output)
	}
}

// find returns the path of a program, or ends the test.
func find(t testing.TB, p *testprogram.Program) string {
	t.Helper()
	path, err := p.Find()
	if err != nil {
		testserver.Missing(t, requireEnv, err)
	}
	return path
}
