package nats_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// BenchmarkWrite compares the sinks with nats.go used directly at its best, which is
// given the same bytes, already encoded, and publishes them without waiting in between.
// The server is in the same process, and its CPU is counted too.
func BenchmarkWrite(b *testing.B) {
	const batch = 1000
	var all [][]*pipeline.Change
	for n := range 20 {
		var changes []*pipeline.Change
		for i := range batch {
			changes = append(changes, pod(fmt.Sprint("pod-", i), uint64(n*batch+i+1)))
		}
		all = append(all, changes)
	}
	b.Run("stream/fairlead", func(b *testing.B) {
		s := open(b, start(b, nil).make(), nil)
		measure(b, all, func(changes []*pipeline.Change, _ int) error { return s.Write(context.Background(), changes) })
	})
	b.Run("stream/nats.go", func(b *testing.B) { direct(b, all, "fairlead.") })
	b.Run("bucket/fairlead", func(b *testing.B) {
		s := openKV(b, start(b, nil).make(), nil)
		measure(b, all, func(changes []*pipeline.Change, _ int) error { return s.Write(context.Background(), changes) })
	})
	b.Run("bucket/nats.go", func(b *testing.B) { direct(b, all, "$KV.fairlead.") })
}

// direct publishes what the sinks do.
func direct(b *testing.B, all [][]*pipeline.Change, prefix string) {
	p := start(b, nil).make()
	conn, err := client.Connect("nats://" + p.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
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
	measure(b, all, func(changes []*pipeline.Change, n int) error {
		futures := make([]jetstream.PubAckFuture, 0, len(changes))
		for i, c := range changes {
			opts := []jetstream.PublishOpt{jetstream.WithMsgID(fmt.Sprint(c.UID, "/", n, "/", i)), jetstream.WithExpectStream("fairlead")}
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
	})
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

func measure(b *testing.B, all [][]*pipeline.Change, write func([]*pipeline.Change, int) error) {
	if err := write(all[len(all)-1], -1); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	const base = 1e6
	begin, n := cpuUsed(b), 0
	for b.Loop() {
		changes := all[n%len(all)]
		n++
		for i, c := range changes { // as new states, which no server has had
			c.Sequence = base + uint64(n*len(changes)+i)
			c.ResourceVersion = fmt.Sprint(c.Sequence)
		}
		if err := write(changes, n); err != nil {
			b.Fatal(err)
		}
	}
	changes := float64(b.N * len(all[0]))
	b.ReportMetric(changes/b.Elapsed().Seconds(), "changes/s")
	b.ReportMetric(float64((cpuUsed(b)-begin).Nanoseconds())/changes, "cpu-ns/change")
}

// cpuUsed returns how much CPU this process has used.
func cpuUsed(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
