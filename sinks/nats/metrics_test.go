package nats_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/nats"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// Messages are counted by what became of them, and connections that are made or fail.
func TestMetrics(t *testing.T) {
	p := start(t, nil).make()
	registry := prometheus.NewRegistry()
	s := open(t, p, func(o *nats.Options) { o.Registerer = registry })
	batch := []*pipeline.Change{change("a", 1, 9), change("b", 1, 9), change("a", 2, 9)}
	for range 2 {
		if err := s.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Check(t.Context()); err != nil { // on a connection of its own
		t.Fatal(err)
	}
	p.as(func(js jetstream.JetStream) {
		if err := js.DeleteStream(t.Context(), "fairlead"); err != nil {
			t.Fatal(err)
		}
	})
	sinktest.Fails(t, s.Write(t.Context(), batch[:2]), "create the stream")
	s.Disconnect()
	p.line.Cut()
	sinktest.Fails(t, s.Write(t.Context(), batch[:1]))

	all, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range all {
		for _, m := range family.GetMetric() {
			got[family.GetName()+" "+m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
	}
	want := map[string]float64{
		"fairlead_nats_messages_total accepted": 3, "fairlead_nats_messages_total known": 3, "fairlead_nats_messages_total failed": 2,
		"fairlead_nats_connections_total made": 2, "fairlead_nats_connections_total failed": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func TestMetricsOfASinkThatIsNotMade(t *testing.T) {
	o := nats.Options{Servers: []string{"127.0.0.1:1"}, Stream: "fairlead"}
	sinktest.RunMetrics(t, func(r prometheus.Registerer) (pipeline.Sink, error) {
		o.Registerer = r
		return nats.New(o)
	})
	sinktest.RunMetrics(t, func(r prometheus.Registerer) (pipeline.Sink, error) {
		o.Registerer = r
		return nats.NewKV(o)
	})
}
