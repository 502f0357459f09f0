package kafka_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/kafka"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
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
}

func TestMetricsOfASinkThatIsNotMade(t *testing.T) {
	sinktest.RunMetrics(t, func(r prometheus.Registerer) (pipeline.Sink, error) {
		o := kafka.Options{Brokers: []string{"127.0.0.1:port"}, Topic: "fairlead", Registerer: r}
		if _, err := kafka.New(o); err == nil {
			t.Fatal("an address without a port is taken")
		}
		o.Brokers = []string{"127.0.0.1:1"}
		return kafka.New(o)
	})
}
