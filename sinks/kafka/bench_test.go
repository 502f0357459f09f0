package kafka_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fairlead-dev/fairlead/internal/sinkbench"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// BenchmarkSink compares the sink with franz-go used directly at its best, which is
// given the same bytes, already encoded as records, and the same options that decide what is
// durable. The broker is a fake in the same process that drops what it takes: what is
// measured is the clients. With "batch-2000-encode" what is compared encodes the events as
// well, by encoding/json.
func BenchmarkSink(b *testing.B) {
	compare := func(what string, batch int, encodes bool) {
		changes := make([]*pipeline.Change, batch)
		for i := range changes {
			changes[i] = pod(fmt.Sprint("pod-", i), uint64(i+1))
		}
		b.Run("sink=kafka/what="+what+"/impl=fairlead", func(b *testing.B) {
			c := start(b, kfake.BlackholeProduce())
			s := open(b, c, nil)
			client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
				kgo.ProducerBatchCompression(kgo.ZstdCompression()))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(client.Close)
			keys, values, headers, events := make([][]byte, batch), make([][]byte, batch), make([][]kgo.RecordHeader, batch), make([]any, batch)
			for i, change := range changes {
				keys[i], values[i] = []byte(change.Key.String()), change.AppendCloudEvent(nil)
				if events[i], err = sinkbench.Event(values[i]); err != nil {
					b.Fatal(err)
				}
				headers[i] = []kgo.RecordHeader{
					{Key: "content-type", Value: []byte("application/cloudevents+json; charset=UTF-8")},
					{Key: "ce_term", Value: fmt.Appendf(nil, "%020d", change.Origin.Term)},
					{Key: "ce_sequence", Value: fmt.Appendf(nil, "%020d", change.Sequence)},
				}
			}
			sinkbench.Compare(b, batch, nil, func(int) error { return s.Write(context.Background(), changes) }, func(int) error {
				records := make([]*kgo.Record, batch)
				for i := range records {
					if encodes {
						var err error
						if values[i], err = json.Marshal(events[i]); err != nil {
							return err
						}
					}
					records[i] = &kgo.Record{Topic: "fairlead", Key: keys[i], Value: values[i], Headers: headers[i]}
				}
				return client.ProduceSync(context.Background(), records...).FirstErr()
			})
		})
	}
	for _, batch := range []int{64, 500, 2000} {
		compare(fmt.Sprintf("batch-%d", batch), batch, false)
	}
	compare("batch-2000-encode", 2000, true)
}

// pod returns a state of 2.5 KB.
func pod(name string, sequence uint64) *pipeline.Change {
	c := change(name, sequence, 0)
	c.Observed = time.Unix(1e9, 0)
	var env strings.Builder
	for i := range 40 {
		fmt.Fprintf(&env, `{"name":"VARIABLE_%d","value":"%s-%d"},`, i, name, i*i)
	}
	c.Object = fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q,"namespace":"ns","uid":%q},"spec":{"containers":[{"image":"registry.example.com/app:v%d","env":[%s{}]}]}}`, name, c.UID, sequence, env.String())
	return c
}
