package otlp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/testlogs"
	"github.com/fairlead-dev/fairlead/internal/testpages"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/otlp"
)

const page = "../../docs/sinks/otlp.md"

// deletions writes, to a receiver, two ConfigMaps of which one is deleted, and one that was
// deleted long ago.
func deletions(t *testing.T, url string) {
	t.Helper()
	there, gone, long := change("edge", 1), change("edge", 2), change("edge", 3)
	deleted := change("edge", 2)
	for _, c := range []*pipeline.Change{there, gone, deleted} {
		c.Observed = time.Now()
	}
	for _, c := range []*pipeline.Change{deleted, long} {
		c.Op = pipeline.Deleted
	}
	if err := open(t, otlp.Options{URL: url}).Write(t.Context(), []*pipeline.Change{there, gone, long, deleted}); err != nil {
		t.Fatal(err)
	}
}

// What the page asks VictoriaLogs has the answer in a real one, which takes OTLP.
func TestPageAsksVictoriaLogs(t *testing.T) {
	server := testlogs.StartVictoriaLogs(t)
	deletions(t, server.URL+"/insert/opentelemetry/v1/logs")
	got := server.All(t, testpages.Read(t, page).After("What was deleted in the last hour"))
	if diff := cmp.Diff([]map[string]string{{"k8s.cluster.name": "edge", "fairlead.kind": "ConfigMap", "deleted": "1"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What the page asks jq has the answer in what the Collector writes.
func TestPageAsksJQ(t *testing.T) {
	c := testsinks.StartOtelcol(t, nil)
	deletions(t, c.URL+"/v1/logs")
	got := testpages.JQ(t, testpages.Read(t, page).After("With jq"), []byte(strings.Join(c.Lines(t), "\n")))
	const configMaps = "/api/v1/namespaces/ns/configmaps/"
	if diff := cmp.Diff([]string{configMaps + "cm-3", configMaps + "cm-2"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
