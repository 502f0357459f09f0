package otlp_test

import (
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/otlp"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// written returns what a collector has written since there were so many lines.
func written(t testing.TB, c *testsinks.Collector, from int) (all []pipeline.Event) {
	t.Helper()
	for _, line := range c.Lines(t)[from:] {
		all = append(all, events(t, []byte(line))...)
	}
	return inOrder(all)
}

// TestCollector runs the suite with the OpenTelemetry Collector.
func TestCollector(t *testing.T) {
	c := testsinks.StartOtelcol(t, nil)
	for name, o := range map[string]otlp.Options{"gzip": {}, "plain": {NoCompression: true}, "map": {BodyMap: true}} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
				from := len(c.Lines(t)) // it is empty as far as the test goes
				o.URL, o.UserAgent = c.URL+"/v1/logs", "fairlead/test"
				return open(t, o), func() []pipeline.Event { return written(t, c, from) }
			})
		})
	}
}

func TestCollectorOutages(t *testing.T) {
	sinktest.RunOutages(t, func(t *testing.T) sinktest.Stand {
		c := testsinks.StartOtelcol(t, nil)
		return sinktest.Stand{
			Sink:   open(t, otlp.Options{URL: c.URL + "/v1/logs"}),
			Events: func() []pipeline.Event { return written(t, c, 0) },
			Stop: func() {
				c.Lines(t) // it holds in memory what it has answered to
				c.Kill(t)
			},
			Start: func() { c.Start(t) }, Hang: func() { c.Pause(t) }, Resume: func() { c.Resume(t) },
			Waits: func() bool { return loopback.Unread(strings.TrimPrefix(c.URL, "http://")) },
			Open:  func() pipeline.Sink { return open(t, otlp.Options{URL: c.URL + "/v1/logs"}) },
		}
	})
}

func TestCollectorTLS(t *testing.T) {
	files := testserver.NewTLS(t)
	c := testsinks.StartOtelcol(t, files)
	sink := open(t, otlp.Options{URL: c.URL + "/v1/logs", CAFile: files.CA, CertFile: files.ClientCert, KeyFile: files.ClientKey})
	if err := sink.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := sink.Write(t.Context(), []*pipeline.Change{change("a", 1)}); err != nil {
		t.Error(err)
	}
	if n := len(written(t, c, 0)); n != 1 {
		t.Errorf("%d records", n)
	}
	err := open(t, otlp.Options{URL: c.URL + "/v1/logs"}).Check(t.Context())
	if err == nil || !strings.Contains(err.Error(), "check ca and server-name") {
		t.Errorf("a receiver that no known CA has signed: %v", err)
	}
	if err := open(t, otlp.Options{URL: c.URL + "/v1/logs", CAFile: files.CA}).Check(t.Context()); err == nil {
		t.Error("it takes a client without a certificate")
	}
}

// TestCollectorSays what is wrong, and nothing is given up.
func TestCollectorSays(t *testing.T) {
	c := testsinks.StartOtelcol(t, nil)
	sink := open(t, otlp.Options{URL: c.URL + "/v1/record"})
	for what, err := range map[string]error{"Write": sink.Write(t.Context(), []*pipeline.Change{change("a", 1)}), "Check": sink.Check(t.Context())} {
		if err == nil || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "404 Not Found") || !strings.Contains(err.Error(), "check the path") {
			t.Errorf("%s at a wrong path: %v", what, err)
		}
	}
	if err := open(t, otlp.Options{URL: c.URL + "/v1/logs"}).Check(t.Context()); err != nil {
		t.Error(err)
	}
	if n := len(c.Lines(t)); n > 0 {
		t.Errorf("a check has left %d records", n)
	}
}
