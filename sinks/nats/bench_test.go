package nats_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/internal/sinkbench"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// BenchmarkSink compares the sinks with nats.go used directly at its best, which is
// given the same bytes, already encoded, and publishes them without waiting in between.
// The servers are in the same process, and their CPU is counted too.
func BenchmarkSink(b *testing.B) {
	const batch = 1000
	var all [][]*pipeline.Change
	for n := range 20 {
		var changes []*pipeline.Change
		for i := range batch {
			changes = append(changes, pod(fmt.Sprint("pod-", i), uint64(n*batch+i+1)))
		}
		all = append(all, changes)
	}
	b.Run("sink=nats/what=stream/impl=fairlead", func(b *testing.B) {
		s := open(b, start(b, nil).make(), nil)
		compare(b, all, s, "fairlead.")
	})
	b.Run("sink=nats/what=bucket/impl=fairlead", func(b *testing.B) {
		s := openKV(b, start(b, nil).make(), nil)
		compare(b, all, s, "$KV.fairlead.")
	})
}

func compare(b *testing.B, all [][]*pipeline.Change, s pipeline.Sink, prefix string) {
	const base = 1e6
	of := func(round int) []*pipeline.Change {
		changes := all[round%len(all)]
		for i, c := range changes { // as new states, which no server has had
			c.Sequence = base + uint64(round*len(changes)+i)
			c.ResourceVersion = fmt.Sprint(c.Sequence)
		}
		return changes
	}
	publish := direct(b, all, prefix)
	sinkbench.Compare(b, len(all[0]), nil,
		func(round int) error { return s.Write(context.Background(), of(round)) },
		func(round int) error { return publish(of(round), round) })
}

// direct returns what publishes what the sinks do, to a server of its own.
func direct(b *testing.B, all [][]*pipeline.Change, prefix string) func(changes []*pipeline.Change, round int) error {
	p := start(b, nil).make()
	conn, err := client.Connect("nats://" + p.addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(conn.Close)
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(4000))
	if err != nil {
		b.Fatal(err)
	}
	values := map[*pipeline.Change][]byte{}
	for _, changes := range all {
		for _, c := range changes {
			values[c] = c.AppendCloudEvent(nil)
		}
	}
	return func(changes []*pipeline.Change, round int) error {
		futures := make([]jetstream.PubAckFuture, 0, len(changes))
		for i, c := range changes {
			opts := []jetstream.PublishOpt{jetstream.WithMsgID(fmt.Sprint(c.UID, "/", round, "/", i)), jetstream.WithExpectStream("fairlead")}
			if prefix[0] == '$' {
				opts = nil
			}
			f, err := js.PublishAsync(prefix+"alpha.core.pods.ns."+c.Key.Name, values[c], opts...)
			if err != nil {
				return err
			}
			futures = append(futures, f)
		}
		for _, f := range futures {
			select {
			case <-f.Ok():
			case err := <-f.Err():
				return err
			}
		}
		return nil
	}
}

// pod returns a state of 2.5 KB.
func pod(name string, sequence uint64) *pipeline.Change {
	c := change(name, sequence, 0)
	c.Key.Resource, c.Observed = "pods", time.Unix(1e9, 0)
	var env strings.Builder
	for i := range 40 {
		fmt.Fprintf(&env, `{"name":"VARIABLE_%d","value":"%s-%d"},`, i, name, i*i)
	}
	c.Object = fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q},"spec":{"containers":[{"image":"registry.example.com/app:v%d","env":[%s{}]}]}}`, name, sequence, env.String())
	return c
}
