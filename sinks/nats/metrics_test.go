package nats_test

import (
	"errors"
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
	if _, err := nats.New(p.options(func(o *nats.Options) { o.Registerer = registry })); err == nil {
		t.Error("two sinks share metrics")
	}
}

// full takes so many metrics and no more.
type full struct {
	prometheus.Registerer
	left int
}

func (f *full) Register(c prometheus.Collector) error {
	if f.left--; f.left < 0 {
		return errors.New("there are too many metrics")
	}
	return f.Registerer.Register(c)
}

// A sink that cannot be made leaves no metrics behind: the next attempt registers them.
func TestMetricsOfASinkThatIsNotMade(t *testing.T) {
	registry := prometheus.NewRegistry()
	o := nats.Options{Servers: []string{"127.0.0.1:1"}, Stream: "fairlead"}
	o.Registerer = &full{Registerer: registry, left: 1}
	if _, err := nats.New(o); err == nil {
		t.Fatal("a sink without its metrics is made")
	}
	o.Registerer = &full{Registerer: registry, left: 1}
	if _, err := nats.NewKV(o); err == nil {
		t.Fatal("a sink without its metrics is made")
	}
	o.Registerer = registry
	s, err := nats.New(o)
	if err != nil {
		t.Fatalf("after two attempts that failed: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
