package kafka_test

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/kafka"
)

// counters returns the values by name and label.
func counters(t *testing.T, from prometheus.Gatherer) map[string]float64 {
	t.Helper()
	all, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range all {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue()
		}
	}
	return got
}

// Bytes are counted before and after compression, and for how long a broker had the sink
// wait.
func TestMetrics(t *testing.T) {
	c := start(t)
	c.ControlKey(int16(kmsg.DescribeConfigs), func(r kmsg.Request) (kmsg.Response, error, bool) {
		answer := r.ResponseKind().(*kmsg.DescribeConfigsResponse)
		answer.ThrottleMillis = 250
		return answer, nil, true
	})
	registry := prometheus.NewRegistry()
	s := open(t, c, func(o *kafka.Options) { o.Registerer = registry })
	if err := s.Write(t.Context(), []*pipeline.Change{pod("a", 1), pod("b", 1)}); err != nil {
		t.Fatal(err)
	}
	// The client may tell of what was acknowledged after Write has returned.
	testserver.Poll(t, "what was sent is counted", func() bool {
		got := counters(t, registry)
		plain, sent := got["fairlead_kafka_bytes_total records"], got["fairlead_kafka_bytes_total sent"]
		return plain > 4_000 && sent > 0 && sent < plain && got["fairlead_kafka_throttled_seconds_total"] == 0.25
	})
	if _, err := kafka.New(kafka.Options{Brokers: c.addrs, Topic: "fairlead", Registerer: registry}); err == nil {
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
	o := kafka.Options{Brokers: []string{"127.0.0.1:port"}, Topic: "fairlead", Registerer: registry}
	if _, err := kafka.New(o); err == nil {
		t.Fatal("an address without a port is taken")
	}
	o.Brokers, o.Registerer = []string{"127.0.0.1:1"}, &full{Registerer: registry, left: 1}
	if _, err := kafka.New(o); err == nil {
		t.Fatal("a sink without its metrics is made")
	}
	o.Registerer = registry
	s, err := kafka.New(o)
	if err != nil {
		t.Fatalf("after two attempts that failed: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
