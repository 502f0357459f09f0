package app

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// A change of a real cluster is traced to a real collector: the event's traceparent names
// a span that the collector has. Without the flag no event has one.
func TestTracing(t *testing.T) {
	collector := testsinks.StartOtelcol(t, nil)
	c := testenv.Start(t, testenv.Spec{Name: "edge-1"}).Clusters[0]
	ns := c.NewNamespace(t)
	o := newObjects(t, c, ns)
	flags := []string{"--clusters=kubeconfig:" + writeKubeconfig(t, c), "--watch=configmaps?namespace=" + ns}
	event := func(r *running, name string) (found pipeline.Event) {
		t.Helper()
		r.await("the event of "+name, func() bool {
			for _, e := range r.out.received() {
				if e.Name == name {
					found = e
					return true
				}
			}
			return false
		})
		return found
	}
	plain := start(t, flags...)
	o.create("plain")
	if e := event(plain, "plain"); e.TraceParent != "" {
		t.Errorf("an event has traceparent %s although nothing is traced", e.TraceParent)
	}
	if err := plain.stop(); err != nil {
		t.Fatal(err)
	}

	r := start(t, append(flags, "--trace-endpoint=otlp:"+collector.URL, "--trace-ratio=1")...)
	r.await("it is live", func() bool { return r.streamsLive("edge-1") })
	o.create("traced")
	e := event(r, "traced")
	part := strings.Split(e.TraceParent, "-")
	if len(part) != 4 {
		t.Fatalf("traceparent %q", e.TraceParent)
	}
	r.await("the collector has the span", func() bool {
		text, err := os.ReadFile(collector.SpansFile)
		span := fmt.Sprintf(`"traceId":%q,"spanId":%q`, part[1], part[2])
		return err == nil && strings.Contains(string(text), span) && strings.Contains(string(text), `"edge-1"`)
	})
}

func TestTracingFlags(t *testing.T) {
	for _, bad := range []string{"--trace-endpoint=http:x", "--trace-ratio=1.5", "--trace-lag=1ns"} {
		if _, err := parseFlags(t, "--watch=pods", bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
