package kafka_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/kafka"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// TestAFullDisk: a broker that cannot write to its disk refuses nothing for good, and the
// error says so, whatever the time for a write is. The answer is that of Kafka; nothing here is
// full.
func TestAFullDisk(t *testing.T) {
	c := start(t)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.KafkaStorageError, Count: -1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, timeout := range []time.Duration{time.Minute, time.Second} {
		s := open(t, c, func(o *kafka.Options) { o.Timeout = timeout })
		sinktest.Fails(t, s.Write(ctx, []*pipeline.Change{change("a", 1, 9)}), "KAFKA_STORAGE_ERROR")
	}
}
