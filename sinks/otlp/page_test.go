package otlp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-dev/fairlead/internal/testlogs"
	"github.com/fairlead-dev/fairlead/internal/testpages"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/otlp"
)

const page = "../../docs/sinks/otlp.md"

// There is no Loki here.
func TestPage(t *testing.T) {
	testpages.Prove(t, page, map[string]testpages.Proof{
		"fairlead run ":  testpages.By("../../cmd/internal/app", "TestCommandsOfPages"),
		"receivers:":     setsUp,
		"_time:1h ":      asksVictoriaLogs,
		"{service_name=": nil,
		"jq -r ":         asksJQ,
	})
}

// A Collector with the receiver of the page takes an object that one without those settings does
// not. Its exporter, and the file for its queue, are not in the Collector that tests have.
func setsUp(t *testing.T, block string) {
	var config struct {
		Receivers struct {
			OTLP struct {
				Protocols struct{ HTTP map[string]any }
			}
		}
		Extensions, Exporters map[string]any
		Service               struct {
			Extensions []string
			Pipelines  struct {
				Logs struct{ Receivers, Exporters []string }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(block), &config); err != nil {
		t.Fatal(err)
	}
	for _, used := range config.Service.Extensions {
		if _, has := config.Extensions[used]; !has {
			t.Errorf("there is no extension %s", used)
		}
	}
	if logs := config.Service.Pipelines.Logs; len(logs.Receivers) != 1 || logs.Receivers[0] != "otlp" || len(logs.Exporters) != 1 || config.Exporters[logs.Exporters[0]] == nil {
		t.Errorf("logs are of %v and go to %v", logs.Receivers, logs.Exporters)
	}
	large := change("edge", 1)
	large.Object = fmt.Appendf(nil, `{"data":{"large":%q}}`, strings.Repeat("x", 21<<20))
	err := open(t, otlp.Options{URL: testsinks.StartOtelcol(t, nil).URL + "/v1/logs"}).Write(t.Context(), []*pipeline.Change{large})
	if err == nil {
		t.Error("a Collector as it is by itself takes the object: the page need not say otherwise")
	}
	if err := open(t, otlp.Options{URL: testsinks.StartOtelcolWith(t, config.Receivers.OTLP.Protocols.HTTP).URL + "/v1/logs"}).Write(t.Context(), []*pipeline.Change{large}); err != nil {
		t.Errorf("with the receiver of the page: %v", err)
	}
}

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
func asksVictoriaLogs(t *testing.T, query string) {
	server := testlogs.StartVictoriaLogs(t)
	deletions(t, server.URL+"/insert/opentelemetry/v1/logs")
	got := server.All(t, query)
	if diff := cmp.Diff([]map[string]string{{"k8s.cluster.name": "edge", "fairlead.kind": "ConfigMap", "deleted": "1"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What the page asks jq has the answer in what the Collector writes.
func asksJQ(t *testing.T, command string) {
	c := testsinks.StartOtelcol(t, nil)
	deletions(t, c.URL+"/v1/logs")
	got := testpages.JQ(t, command, []byte(strings.Join(c.Lines(t), "\n")))
	const configMaps = "/api/v1/namespaces/ns/configmaps/"
	if diff := cmp.Diff([]string{configMaps + "cm-3", configMaps + "cm-2"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
