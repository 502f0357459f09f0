package app

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"

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
	r.await("the collector has the span of its ack", func() bool {
		for _, s := range collected(t, collector.SpansFile) {
			if s.Name == "acked" && idOf(s.TraceId) == part[1] && idOf(s.ParentSpanId) == part[2] {
				return s.EndTimeUnixNano > s.StartTimeUnixNano
			}
		}
		return false
	})
}

// Changes that are written together are linked from the span of that write, in a real
// collector: each link is the place of a change in its trace.
func TestTracedBatches(t *testing.T) {
	collector := testsinks.StartOtelcol(t, nil)
	c := testenv.Start(t, testenv.Spec{Name: "edge-1"}).Clusters[0]
	ns := c.NewNamespace(t)
	o := newObjects(t, c, ns)
	const n = 30 // no more than are traced at once
	for i := range n {
		o.create(fmt.Sprint("together-", i))
	}
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, c), "--watch=configmaps?namespace="+ns,
		"--trace-endpoint=otlp:"+collector.URL, "--trace-ratio=1")
	r.await("the spans of writes link the changes", func() bool {
		spans := collected(t, collector.SpansFile)
		roots := map[string]bool{}
		for _, s := range spans {
			if s.Name == "process configmaps" {
				roots[string(s.TraceId)+string(s.SpanId)] = true
			}
		}
		linked := 0
		for _, s := range spans {
			for _, l := range s.Links {
				if !roots[string(l.TraceId)+string(l.SpanId)] {
					return false // a link to nothing, or the other span has yet to come
				}
				linked++
			}
			if strings.HasSuffix(s.Name, " batch") && len(s.Links) == 0 {
				t.Error("a write is traced without links")
			}
		}
		return len(roots) >= n && linked > 1
	})
}

// idOf returns an id as OTLP has it in JSON. That is hexadecimal, and protojson has taken
// it for base64.
func idOf(id []byte) string { return base64.StdEncoding.EncodeToString(id) }

// collected returns what a collector has written to its file so far.
func collected(t *testing.T, file string) (spans []*tracepb.Span) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		return nil // there is none yet
	}
	for line := range strings.Lines(string(text)) {
		m := &tracepb.TracesData{}
		if !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal([]byte(line), m); err != nil {
			t.Fatal(err)
		}
		for _, of := range m.ResourceSpans {
			for _, scope := range of.ScopeSpans {
				spans = append(spans, scope.Spans...)
			}
		}
	}
	return spans
}

func TestTracingFlags(t *testing.T) {
	for _, bad := range []string{"--trace-endpoint=http:x", "--trace-ratio=1.5", "--trace-lag=1ns"} {
		if _, err := parseFlags(t, "--watch=pods", bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
