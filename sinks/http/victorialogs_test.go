package httpsink_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/testlogs"
	"github.com/fairlead-dev/fairlead/internal/testpages"
	"github.com/fairlead-dev/fairlead/pipeline"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
)

// TestVictoriaLogs sends formats that VictoriaLogs takes to a real one, and asks for
// what it holds.
func TestVictoriaLogs(t *testing.T) {
	server := testlogs.StartVictoriaLogs(t, "-insert.maxLineSizeBytes=256KiB")
	for name, test := range map[string]struct {
		o     httpsink.Options
		query func(cluster string) string
		name  func(entry map[string]string) string
	}{
		"victorialogs": {
			httpsink.Options{URL: server.URL, Format: httpsink.VictoriaLogs},
			func(cluster string) string { return `{cluster="` + cluster + `"}` },
			func(e map[string]string) string { return e["name"] },
		},
		"gzip": {
			httpsink.Options{URL: server.URL, Format: httpsink.VictoriaLogs, Gzip: true},
			func(cluster string) string { return `{cluster="` + cluster + `"}` },
			func(e map[string]string) string { return e["name"] },
		},
		"loki": {
			httpsink.Options{URL: server.URL + "/insert/loki/api/v1/push", Format: httpsink.Loki},
			func(cluster string) string { return `{job="fairlead",cluster="` + cluster + `"}` },
			func(e map[string]string) string { return e["name"] }, // VictoriaLogs takes the line apart
		},
		"splunk": {
			httpsink.Options{URL: server.URL + "/insert/splunk/services/collector/event?_msg_field=event", Format: httpsink.Splunk},
			func(cluster string) string { return `host:="` + cluster + `"` },
			func(e map[string]string) string { return e["event.name"] + e["name"] },
		},
		"elasticsearch": {
			httpsink.Options{URL: server.URL + "/insert/elasticsearch/_bulk?_msg_field=id&_time_field=@timestamp&_stream_fields=cluster", Format: httpsink.Elasticsearch},
			func(cluster string) string { return `{cluster="` + cluster + `"}` },
			func(e map[string]string) string { return e["name"] },
		},
	} {
		t.Run(name, func(t *testing.T) {
			sink := open(t, test.o)
			origin := *pods
			origin.Cluster = "of-" + name
			want := map[string]bool{"pod": true, "名前": true, `quo"te\`: true, "new\nline": true, "<b>&amp;": true}
			var batch []*pipeline.Change
			for name := range want {
				c := pod(name, 1)
				c.Origin, c.Key.Cluster = &origin, origin.Cluster
				batch = append(batch, c)
			}
			write(t, sink, batch...)
			for _, entry := range server.Await(t, test.query(origin.Cluster), len(batch)) {
				if got := test.name(entry); !want[got] {
					t.Errorf("an entry is of %q: %v", got, entry)
				} else {
					delete(want, got)
				}
				if name == "victorialogs" {
					checkEntry(t, entry)
				}
			}
			if len(want) > 0 {
				t.Errorf("no entry is of %v", want)
			}
		})
	}
}

// checkEntry checks the fields that docs/sinks/http.md names.
func checkEntry(t *testing.T, e map[string]string) {
	t.Helper()
	var object struct {
		Spec struct{ Containers []struct{ Image string } }
	}
	if err := json.Unmarshal([]byte(e["object"]), &object); err != nil || len(object.Spec.Containers) != 1 {
		t.Errorf("the object is %s, %v", e["object"], err)
	}
	if e["op"] != "updated" || e["resource"] != "pods" || e["namespace"] != "ns" || e["sequence"] != "1000000000000001" || e["term"] != "3" ||
		!strings.HasPrefix(e["_msg"], "updated Pod of-victorialogs/pods/ns/") || !strings.HasPrefix(e["_time"], "2026-01-02T03:04:05.000000006") {
		t.Errorf("%v", e)
	}
}

// TestWhatVictoriaLogsWouldDrop is refused before it is sent: VictoriaLogs leaves it out
// and says nothing of it.
func TestWhatVictoriaLogsWouldDrop(t *testing.T) {
	server := testlogs.StartVictoriaLogs(t)
	large := func(name string, bytes int) *pipeline.Change {
		c := pod(name, 1)
		c.Object = []byte(`{"k":"` + strings.Repeat("x", bytes) + `"}`)
		return c
	}
	sink := open(t, httpsink.Options{URL: server.URL, Format: httpsink.VictoriaLogs})
	err := sink.Write(t.Context(), []*pipeline.Change{pod("small", 1), large("dropped", 256<<10), large("fits", 255<<10)})
	partial, ok := errors.AsType[*pipeline.BatchError](err)
	if !ok || len(partial.Failed) != 1 || !pipeline.IsPermanent(partial.Failed[1]) || !strings.Contains(err.Error(), "max-event is 262143") {
		t.Fatalf("%v", err)
	}
	server.Await(t, `{cluster="alpha"}`, 2)

	// The same without the bound: it is how this test knows that there is something to refuse.
	careless := open(t, httpsink.Options{URL: server.URL, Format: httpsink.VictoriaLogs, MaxEvent: 1 << 20})
	write(t, careless, large("dropped", 256<<10))
	write(t, careless, pod("last", 1))
	server.Await(t, `{cluster="alpha"} name:="last"`, 1)
	if found := server.Await(t, `{cluster="alpha"} name:="dropped"`, 0); len(found) != 0 {
		t.Error("VictoriaLogs takes what it used to drop: the bound can go")
	}
}

// TestQueriesOfThePage runs what the page asks VictoriaLogs: which images run where, and what
// was deleted.
func TestQueriesOfThePage(t *testing.T) {
	shown := testpages.Read(t, page)
	server := testlogs.StartVictoriaLogs(t)
	sink := open(t, httpsink.Options{URL: server.URL, Format: httpsink.VictoriaLogs})
	seen := func(name string, version int, ago time.Duration) *pipeline.Change {
		c := pod(name, version)
		c.Observed = time.Now().Add(-ago)
		return c
	}
	gone, long := seen("gone", 2, 0), seen("long-gone", 2, 2*time.Hour)
	gone.Op, long.Op = pipeline.Deleted, pipeline.Deleted
	write(t, sink, seen("a", 1, time.Hour), seen("a", 2, 0), seen("b", 1, 0), seen("old", 9, 48*time.Hour), gone, long)
	for _, q := range []struct {
		asks string
		row  func(map[string]string) string
		want []string
	}{
		{"Which images run where", func(e map[string]string) string { return e["cluster"] + " " + e["image"] + " " + e["pods"] },
			[]string{"alpha registry/app:1 2", "alpha registry/app:2 1"}},
		{"What was deleted in the last hour", func(e map[string]string) string {
			return e["cluster"] + "/" + e["resource"] + "/" + e["namespace"] + "/" + e["name"]
		}, []string{"alpha/pods/ns/gone"}},
	} {
		var got []string
		for _, entry := range server.All(t, shown.After(q.asks)) {
			got = append(got, q.row(entry))
		}
		slices.Sort(got)
		if diff := cmp.Diff(q.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", q.asks, diff)
		}
	}
}
