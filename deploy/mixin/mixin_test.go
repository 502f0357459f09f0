package mixin

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/fairlead-dev/fairlead/internal/testprom"
)

var write = flag.Bool("write-mixin", false, "write the files of the mixin")

// TestMixinIsGenerated compares the files with what this package says. It fails when they
// differ; make mixin writes them anew.
func TestMixinIsGenerated(t *testing.T) {
	files := map[string][]byte{}
	rules, err := Rules()
	if err != nil {
		t.Fatal(err)
	}
	files["alerts.yaml"] = rules
	dashboards, err := Dashboards()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range dashboards {
		files[filepath.Join("dashboards", name)] = text
	}
	if *write {
		if err := os.MkdirAll("dashboards", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range files {
		if *write {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Errorf("%v: run make mixin", err)
		} else if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is stale: run make mixin (-want +got):\n%s", name, diff)
		}
	}
	there, err := filepath.Glob("dashboards/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range there {
		if files[file] == nil {
			t.Errorf("%s is not generated", file)
		}
	}
}

// documented returns the labels of each metric that docs/metrics.md has, which a test of the
// program compares with its registry, and of those of libraries.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	metrics := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(fairlead_[a-z_]+)` \\| ([a-z]+) \\| ([a-z_, ]*) \\|").FindAllStringSubmatch(string(page), -1) {
		name, kind := m[1], m[2]
		labels := strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == ' ' })
		if kind == "histogram" {
			metrics[name+"_bucket"] = append(slices.Clone(labels), "le")
			metrics[name+"_count"], metrics[name+"_sum"] = labels, labels
			continue
		}
		metrics[name] = labels
	}
	if len(metrics) < 50 {
		t.Fatalf("docs/metrics.md has %d metrics; is its form another one now?", len(metrics))
	}
	libraries := prometheus.NewRegistry() // as controller-runtime has them
	libraries.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := libraries.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		metrics[f.GetName()] = nil
	}
	return metrics
}

// ofTargets are the labels that Prometheus gives all series of a target.
var ofTargets = []string{"job", "namespace", "instance"}

// checkQueries fails for each metric and label that a query names and there is not. The
// queries are by what they belong to.
func checkQueries(t *testing.T, queries map[string]string) {
	t.Helper()
	metrics := documented(t)
	names := slices.Sorted(maps.Keys(queries))
	var texts []string
	for _, name := range names {
		texts = append(texts, strings.NewReplacer("$__rate_interval", "5m").Replace(queries[name]))
	}
	for i, selectors := range testprom.Selectors(t, texts...) {
		if len(selectors) == 0 {
			t.Errorf("%s: %s selects nothing", names[i], texts[i])
		}
		for _, s := range selectors {
			labels, ok := metrics[s.Metric]
			if !ok {
				t.Errorf("%s: %s: there is no metric %s", names[i], texts[i], s.Metric)
			}
			for _, label := range s.Labels {
				if ok && !slices.Contains(labels, label) && !slices.Contains(ofTargets, label) {
					t.Errorf("%s: %s: %s has no label %s", names[i], texts[i], s.Metric, label)
				}
			}
		}
	}
}

// shownDashboard is what a test looks at.
type shownDashboard struct {
	UID, Title string
	Templating struct {
		List []struct{ Name, Query string }
	}
	Panels []struct {
		ID                 int
		Type, Title        string
		GridPos            struct{ X, Y, W, H int }
		Targets            []struct{ Expr, LegendFormat string }
		Description, Other string
	}
}

func TestPanelsNameMetricsThatExist(t *testing.T) {
	files, err := filepath.Glob("dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	queries, uids := map[string]string{}, map[string]bool{}
	variable := regexp.MustCompile(`\$([a-z]\w*)`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d shownDashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if d.UID == "" || uids[d.UID] {
			t.Errorf("%s: uid %q", file, d.UID)
		}
		uids[d.UID] = true
		variables := map[string]bool{}
		for _, v := range d.Templating.List {
			variables[v.Name] = false
			if query, ok := strings.CutPrefix(v.Query, "label_values("); ok {
				query = strings.TrimSuffix(query, ")")
				i := strings.LastIndex(query, ", ")
				queries[file+": variable "+v.Name] = "sum by (" + query[i+2:] + ") (" + query[:i] + ")"
			}
		}
		variables["datasource"] = strings.Contains(string(text), "${datasource}")
		ids, places := map[int]bool{}, map[[2]int]bool{}
		for _, p := range d.Panels {
			name := file + ": " + p.Title
			place := [2]int{p.GridPos.X, p.GridPos.Y}
			if ids[p.ID] || places[place] || p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: id %d, place %+v", name, p.ID, p.GridPos)
			}
			ids[p.ID], places[place] = true, true
			if p.Type != "row" && len(p.Targets) == 0 {
				t.Errorf("%s shows nothing", name)
			}
			for i, target := range p.Targets {
				queries[fmt.Sprint(name, " ", p.ID, string(rune('A'+i)))] = target.Expr
				for _, m := range variable.FindAllStringSubmatch(target.Expr, -1) {
					if _, ok := variables[m[1]]; !ok {
						t.Errorf("%s: there is no variable %s", name, m[1])
					}
					variables[m[1]] = true
				}
			}
		}
		for name, used := range variables {
			if !used {
				t.Errorf("%s: no panel uses the variable %s", file, name)
			}
		}
	}
	if len(files) != 5 {
		t.Errorf("%d dashboards", len(files))
	}
	checkQueries(t, queries)
	// Two installations that one Prometheus scrapes are told apart, by all panels.
	panels := slices.DeleteFunc(slices.Sorted(maps.Keys(queries)), func(name string) bool { return strings.Contains(name, ": variable ") })
	var texts []string
	for _, name := range panels {
		texts = append(texts, strings.ReplaceAll(queries[name], "$__rate_interval", "5m"))
	}
	for i, selectors := range testprom.Selectors(t, texts...) {
		for _, s := range selectors {
			if !slices.Contains(s.Labels, "namespace") || !slices.Contains(s.Labels, "job") {
				t.Errorf("%s: %s does not tell installations apart: %s", panels[i], s.Metric, texts[i])
			}
		}
	}
}

func TestAlertsNameMetricsThatExist(t *testing.T) {
	queries := map[string]string{}
	for _, a := range Alerts() {
		queries[a.Name] = a.Expr
		if a.For == "" || a.Summary == "" || a.Description == "" || !slices.Contains([]string{Critical, Warning, Info}, a.Severity) {
			t.Errorf("%s is not complete: %+v", a.Name, a)
		}
	}
	checkQueries(t, queries)
}

// TestRules has Prometheus judge the rules, and run the tests beside them: one for each alert.
func TestRules(t *testing.T) {
	testprom.CheckRules(t, "alerts.yaml")
	testprom.TestRules(t, "alerts_test.yaml")
	text, err := os.ReadFile("alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range Alerts() {
		if !strings.Contains(string(text), "alertname: "+a.Name+"\n") {
			t.Errorf("alerts_test.yaml does not test %s", a.Name)
		}
	}
}

// sections are what each page about an alert has, in this order.
var sections = []string{"Meaning", "Impact", "Diagnosis", "Mitigation"}

func TestEveryAlertHasARunbook(t *testing.T) {
	const dir = "../../docs/runbooks"
	index, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]bool{"README": true}
	heading := regexp.MustCompile(`(?m)^## (.*)$`)
	for _, a := range Alerts() {
		pages[a.Name] = true
		text, err := os.ReadFile(filepath.Join(dir, a.Name+".md"))
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.HasPrefix(string(text), "# "+a.Name+"\n") {
			t.Errorf("%s.md does not begin with the alert's name", a.Name)
		}
		var got []string
		for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
			got = append(got, m[1])
		}
		if diff := cmp.Diff(sections, got); diff != "" {
			t.Errorf("%s.md: sections (-want +got):\n%s", a.Name, diff)
		}
		diagnosis := string(text)[max(0, strings.Index(string(text), "## Diagnosis")):]
		if !strings.Contains(diagnosis, "\nfairlead ") && !strings.Contains(diagnosis, "\nkubectl ") {
			t.Errorf("%s.md: its diagnosis has no command", a.Name)
		}
		if row := "| [" + a.Name + "](" + a.Name + ".md) | " + a.Severity + " |"; !strings.Contains(string(index), row) {
			t.Errorf("docs/runbooks/README.md has no row %q", row)
		}
	}
	there, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range there {
		if name := strings.TrimSuffix(filepath.Base(file), ".md"); !pages[name] {
			t.Errorf("%s is about no alert", file)
		}
	}
}
