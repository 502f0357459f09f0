package app

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// documentedMetric is what the program tells Prometheus of a metric.
type documentedMetric struct{ name, kind, labels, help string }

type documentedMetricList struct {
	all   []documentedMetric
	shown map[string]int // by name: in how many tables
	empty []string       // beginnings of names that no metric has
}

// table is the metrics whose names begin with one of the given texts.
func (l *documentedMetricList) table(prefixes []string) string {
	var b strings.Builder
	b.WriteString("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n")
	for _, p := range prefixes {
		if !slices.ContainsFunc(l.all, func(m documentedMetric) bool { return strings.HasPrefix(m.name, p) }) {
			l.empty = append(l.empty, p)
		}
	}
	for _, m := range l.all {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(m.name, p) }) {
			l.shown[m.name]++
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, m.kind, m.labels, cell(strings.TrimSuffix(m.help, ".")))
		}
	}
	return b.String()
}

// descriptions collects what registered collectors describe.
type descriptions struct{ descs []*prometheus.Desc }

func (d *descriptions) Register(c prometheus.Collector) error {
	ch := make(chan *prometheus.Desc)
	go func() {
		c.Describe(ch)
		close(ch)
	}()
	for desc := range ch {
		d.descs = append(d.descs, desc)
	}
	return nil
}
func (d *descriptions) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		_ = d.Register(c)
	}
}
func (d *descriptions) Unregister(prometheus.Collector) bool { return false }

// A Desc tells what it holds as text only.
var descText = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)", (?:unit: "[^"]*", )?constLabels: \{(.*?)\}, variableLabels: \{(.*?)\}\}$`)

// histograms are the metrics that are no counters or gauges; the end-to-end test
// compares the types of all with what is served.
var histograms = []string{
	"fairlead_delivery_lag_seconds", "fairlead_leader_lock_seconds", "fairlead_sink_batch_changes", "fairlead_sink_write_seconds",
	"fairlead_workqueue_queue_duration_seconds", "fairlead_workqueue_work_duration_seconds",
}

// documentedMetricsOf makes a program that has all there is, and returns its metrics
// by name.
func documentedMetricsOf(t *testing.T) *documentedMetricList {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	writeFile(t, config, configHeader+"watches: [pods]\n")
	kubeconfig := filepath.Join(dir, "hub")
	writeFile(t, kubeconfig, "apiVersion: v1\nkind: Config\ncurrent-context: hub\ncontexts: [{name: hub, context: {cluster: hub}}]\nclusters: [{name: hub, cluster: {server: \"http://127.0.0.1:1\"}}]\n")
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	s := parseWith(t, Options{}, "--config="+config, "--sink=postgres://u@127.0.0.1:1/db?sslmode=disable", "--sink=kafka://127.0.0.1:1/topic?tls=false",
		"--sink=nats://127.0.0.1:1/stream?tls=false", "--sink=s3://127.0.0.1:1/bucket?tls=false", "--sink=otlp:http://127.0.0.1:1", "--member-status=ns", "--trace-endpoint=otlp:http://127.0.0.1:1", "--hub-kubeconfig="+kubeconfig, "--sink=hub:ns?kubeconfig="+kubeconfig, "--clusters=dir:"+t.TempDir(), "--sink=file:"+filepath.Join(dir, "changes"), "--sink=http://127.0.0.1:1", "--ledger="+filepath.Join(dir, "ledger"),
		"--dead-letter="+filepath.Join(dir, "dead"), "--metrics-bind-address=0", "--health-probe-bind-address=0", "--admin-bind-address=0")
	var d descriptions
	p := must(newProgram(t.Context(), s, t.Output(), newLogger(outputOf(t), "info", "text"), &d))(t)
	defer p.close()
	// The fleet's are there while it runs: this run ends at once.
	ended, end := context.WithCancel(t.Context())
	end()
	if err := p.fleet.Run(ended); err != nil {
		t.Fatal(err)
	}
	l := &documentedMetricList{shown: map[string]int{}}
	for _, desc := range d.descs {
		m := descText.FindStringSubmatch(desc.String())
		if m == nil {
			t.Fatalf("a description cannot be read: %v", desc)
		}
		if l.shown[m[1]]++; l.shown[m[1]] > 1 {
			continue // of another route
		}
		var labels []string
		for label := range strings.SplitSeq(m[4], ",") {
			if label != "" {
				labels = append(labels, label)
			}
		}
		for label := range strings.SplitSeq(m[3], ",") {
			if name, _, ok := strings.Cut(label, "="); ok {
				labels = append(labels, name)
			}
		}
		kind := "gauge"
		if strings.HasSuffix(m[1], "_total") {
			kind = "counter"
		} else if slices.Contains(histograms, m[1]) {
			kind = "histogram"
		}
		l.all = append(l.all, documentedMetric{name: m[1], kind: kind, labels: strings.Join(labels, ", "), help: must(strconv.Unquote(`"` + m[2] + `"`))(t)})
	}
	slices.SortFunc(l.all, func(a, b documentedMetric) int { return cmp.Compare(a.name, b.name) })
	for _, m := range l.all {
		l.shown[m.name] = 0
	}
	return l
}
