package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// encodes is a sink that encodes each event, as every sink does, and keeps nothing.
type encodes struct {
	buffer   []byte
	missing  int // until complete is closed
	complete chan struct{}
}

func (e *encodes) Write(_ context.Context, batch []*pipeline.Change) error {
	e.buffer = e.buffer[:0]
	for _, c := range batch {
		e.buffer = c.AppendCloudEvent(e.buffer)
	}
	if e.missing -= len(batch); e.missing == 0 {
		close(e.complete)
	}
	return nil
}

// BenchmarkTail measures how many changes per second go from lanes through the whole program
// to a sink that encodes them, with so many tails of everything, whose readers run in this
// process, too. A tail shows 200 lines per second, and is told of the rest.
func BenchmarkTail(b *testing.B) {
	for _, n := range []int{0, 50} {
		b.Run(fmt.Sprintf("tails=%d", n), func(b *testing.B) { benchmarkTail(b, n) })
	}
}

func benchmarkTail(b *testing.B, n int) {
	sink := &encodes{missing: b.N, complete: make(chan struct{})}
	var cfg Config
	set := pflag.NewFlagSet("run", pflag.ContinueOnError)
	cfg.addFlags(set, new(Options))
	err := set.Parse([]string{
		"--clusters=dir:" + b.TempDir(), "--watch=pods", "--sink=encodes:", "--cluster-qps=0", "--ledger=memory:",
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--admin-bind-address=127.0.0.1:0",
	})
	if err != nil {
		b.Fatal(err)
	}
	s := must(load(cfg.given, Options{Sinks: sinks.Kinds{testKind("encodes", func(string) (pipeline.Sink, error) { return sink, nil })}}))(b)
	p := must(newProgram(b.Context(), s, io.Discard, logr.Discard(), prometheus.NewRegistry()))(b)
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	<-p.started
	var readers sync.WaitGroup
	for range n {
		req := must(http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.adminAddress.String()+"/tail", nil))(b)
		resp := must(http.DefaultClient.Do(req))(b)
		readers.Go(func() {
			defer resp.Body.Close()
			_, _ = io.Copy(io.Discard, resp.Body) // until the program ends
		})
	}
	object := []byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},"spec":{"x":"` + strings.Repeat("a", 1<<10) + `"}}`)
	q := p.current().routes[0].queue
	const lanes = 8
	var offered atomic.Int64
	before := cpuTime(b)
	b.ResetTimer()
	var feeders sync.WaitGroup
	for lane := range lanes {
		cluster := fmt.Sprintf("c%d", lane)
		origin := &pipeline.Origin{Cluster: cluster, Resource: podsOrigin.Resource, Kind: "Pod", Namespaced: true}
		feeders.Go(func() {
			for i := 0; offered.Add(1) <= int64(b.N); i++ {
				c := &pipeline.Change{
					Key:    pipeline.Key{Cluster: cluster, Resource: "pods", Namespace: "n", Name: fmt.Sprint("p", i)},
					Origin: origin, Op: pipeline.Updated, UID: "0a1b2c3d-0000-4000-8000-000000000001", ResourceVersion: "123456",
					Object: object, Observed: time.Now(), Sequence: uint64(i + 1),
				}
				if err := q.Offer(ctx, c, 0); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	feeders.Wait()
	<-sink.complete
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/change") // which others on the machine change less
	b.StopTimer()
	stop()
	if err := <-done; err != nil {
		b.Error(err)
	}
	readers.Wait()
}

// cpuTime is what this process has used of the processors.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
