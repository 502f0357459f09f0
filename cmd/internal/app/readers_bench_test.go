package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/sinks"
)

const (
	// readersOffered is how many changes per second come where there are fewer than the program
	// could deliver.
	readersOffered = 2000
	readersLanes   = 8
	readersFleet   = 1000 // clusters that pages show, of which none can be reached
)

// BenchmarkReaders measures what fifty tails, fifty open pages, and both together change in the
// deliveries of the whole program: from lanes through the queue, workers and observers to a sink that encodes
// each event. The readers are another process, as they are in life, and its CPU is not counted:
// what the program does to serve them is.
//
// Half of the tails show objects, and half have filters; pages are the overview, pages of the
// table with a filter of their own, and pages of one cluster, of a fleet of 1,000.
//
// Rounds with readers and without follow each other in turns, in one process; one iteration is
// several pairs of them. A figure is the median of pairs.
//
// readers-share is the share of the machine's processors that the program takes to serve readers,
// which is the share of the rate that they cost where deliveries take all the rest.
//
//   - load=paced: 2,000 changes per second are offered. less-share is the share of the rate that
//     is lost; p50-ns and p99-ns are what changes take from the lane to the sink.
//   - load=full: as many as can be delivered. more-cpu-share is how much more CPU of the whole
//     process a change takes: by so much falls the rate at which the same processors deliver.
//     Readers cost the same per second however slow deliveries are, so that others make it
//     larger. less-share is what the rate fell by, here where the readers' own process takes
//     processors from deliveries as well, and where others move it more than readers do.
func BenchmarkReaders(b *testing.B) {
	for _, readers := range []string{"tails", "pages", "both"} {
		for _, load := range []string{"paced", "full"} {
			b.Run(fmt.Sprintf("readers=%s/load=%s/impl=fairlead", readers, load), func(b *testing.B) {
				benchmarkReaders(b, readers, load == "paced")
			})
		}
	}
}

// How readers are measured. What a machine can do changes within seconds, so the shorter the
// rounds, the more alike are those of a pair; but pages are sent every two or five seconds, and
// tails show a second's lines at once when they begin, which is over once a round is warm.
const (
	readersWarm   = time.Second
	readersLength = 5 * time.Second // of a round; it begins after that
	readersPairs  = 4               // of rounds, in an iteration
)

func benchmarkReaders(b *testing.B, readers string, paced bool) {
	f := startFlood(b, paced)
	var alone, read []flow
	for b.Loop() {
		for i := range readersPairs {
			for _, with := range []bool{i%2 == 0, i%2 != 0} { // who begins takes turns, too
				if with {
					end := startReaders(b, readers, f.address)
					read = append(read, f.round(b))
					end()
				} else {
					alone = append(alone, f.round(b))
				}
			}
		}
	}
	// median is that of a figure of each pair.
	median := func(of func(alone, read *flow) float64) float64 {
		var all []float64
		for i := range alone {
			all = append(all, of(&alone[i], &read[i]))
		}
		slices.Sort(all)
		return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
	}
	report := func(unit string, of func(alone, read *flow) float64) { b.ReportMetric(median(of), unit) }
	report("changes/s", func(_, read *flow) float64 { return read.rate })
	report("alone-changes/s", func(alone, _ *flow) float64 { return alone.rate })
	report("less-share", func(alone, read *flow) float64 { return 1 - read.rate/alone.rate })
	report("readers-share", func(alone, read *flow) float64 {
		more := read.cpu - alone.cpu
		if !paced { // what was delivered differs
			more = (read.cpu/read.rate - alone.cpu/alone.rate) * read.rate
		}
		return more / (float64(runtime.GOMAXPROCS(0)) * 1e9)
	})
	report("cpu-ns/change", func(_, read *flow) float64 { return read.cpu / read.rate })
	if paced {
		for unit, share := range map[string]float64{"p50-ns": .5, "p99-ns": .99} {
			report(unit, func(_, read *flow) float64 { return read.took(share) })
			report("alone-"+unit, func(alone, _ *flow) float64 { return alone.took(share) })
		}
	} else {
		report("more-cpu-share", func(alone, read *flow) float64 { return (read.cpu/read.rate)/(alone.cpu/alone.rate) - 1 })
	}
}

// flow is what was measured in a round.
type flow struct {
	rate float64         // changes per second
	cpu  float64         // of this process: nanoseconds per second
	lag  []time.Duration // from the lane to the sink, sorted
}

// took is a quantile of lag in nanoseconds.
func (f *flow) took(share float64) float64 {
	if len(f.lag) == 0 {
		return 0
	}
	return float64(f.lag[int(share*float64(len(f.lag)-1))])
}

// flood is a program that delivers what it is offered.
type flood struct {
	sink    *encodes
	queue   *queue.Queue[*pipeline.Change, pipeline.Key]
	paced   bool
	address string // of the admin server
	offered [readersLanes]int
}

// encodes is a sink that encodes each event, as every sink does, and keeps nothing.
type encodes struct {
	buffer []byte

	mu      sync.Mutex
	written int
	note    bool // how long changes took
	lag     []time.Duration
}

func (e *encodes) Write(_ context.Context, batch []*pipeline.Change) error {
	e.buffer = e.buffer[:0]
	for _, c := range batch {
		e.buffer = c.AppendCloudEvent(e.buffer)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.written += len(batch)
	if e.note {
		now := time.Now()
		for _, c := range batch {
			e.lag = append(e.lag, now.Sub(c.Observed))
		}
	}
	return nil
}

// look returns how many changes were written, and begins to note how long they take or ends it.
func (e *encodes) look(note bool) (written int, lag []time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	lag, e.lag, e.note = e.lag, nil, note
	return e.written, lag
}

// startFlood starts the program, which ends with the benchmark.
func startFlood(b *testing.B, paced bool) *flood {
	f := &flood{sink: &encodes{}, paced: paced}
	var cfg Config
	set := pflag.NewFlagSet("run", pflag.ContinueOnError)
	cfg.addFlags(set, new(Options))
	err := set.Parse([]string{
		"--clusters=kubeconfig:" + unreachable(b, readersFleet), "--watch=pods", "--sink=encodes:", "--cluster-qps=0", "--ledger=memory:", "--reconnect-min=1h", "--reconnect-max=1h",
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--admin-bind-address=127.0.0.1:0",
	})
	if err != nil {
		b.Fatal(err)
	}
	s := must(load(cfg.given, Options{Sinks: sinks.Kinds{testKind("encodes", func(string) (pipeline.Sink, error) { return f.sink, nil })}}))(b)
	p := must(newProgram(b.Context(), s, io.Discard, logr.Discard(), prometheus.NewRegistry()))(b)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	select {
	case <-p.started:
	case <-time.After(patience):
		b.Fatal("the program has not started")
	}
	err = wait.PollUntilContextTimeout(b.Context(), 50*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		return len(p.status(time.Now()).Clusters) >= readersFleet, nil
	})
	if err != nil {
		b.Fatalf("the program does not know all clusters: %v", err)
	}
	f.queue, f.address = p.current().routes[0].queue, p.adminAddress.String()
	return f
}

// unreachable is the path of a kubeconfig of so many clusters, where nothing listens.
func unreachable(b *testing.B, n int) string {
	var clusters, contexts strings.Builder
	for i := range n {
		name := floodCluster(i)
		fmt.Fprintf(&clusters, "- {name: %s, cluster: {server: \"https://127.0.0.1:1/%s\"}}\n", name, name)
		fmt.Fprintf(&contexts, "- {name: %s, context: {cluster: %s, user: me}}\n", name, name)
	}
	text := "apiVersion: v1\nkind: Config\nusers: [{name: me, user: {token: t}}]\nclusters:\n" + clusters.String() + "contexts:\n" + contexts.String()
	path := filepath.Join(b.TempDir(), "fleet.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

func floodCluster(i int) string { return fmt.Sprintf("c%04d", i) }

// round has changes come, and measures them once they do.
func (f *flood) round(b *testing.B) flow {
	ctx, stop := context.WithCancel(b.Context())
	var feeders sync.WaitGroup
	for lane := range readersLanes {
		feeders.Go(func() { f.feed(ctx, b, lane) })
	}
	defer feeders.Wait()
	defer stop()
	wait := func(d time.Duration) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	wait(readersWarm)
	began, cpu := time.Now(), cpuTime(b)
	before, _ := f.sink.look(f.paced)
	wait(readersLength)
	after, lag := f.sink.look(false)
	passed := time.Since(began).Seconds()
	slices.Sort(lag)
	return flow{rate: float64(after-before) / passed, cpu: float64(cpuTime(b)-cpu) / passed, lag: lag}
}

// feed offers the changes of one lane until ctx ends.
func (f *flood) feed(ctx context.Context, b *testing.B, lane int) {
	object := []byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},"spec":{"x":"` + strings.Repeat("a", 1<<10) + `"}}`)
	cluster := floodCluster(lane)
	origin := &pipeline.Origin{Cluster: cluster, Resource: podsOrigin.Resource, Kind: "Pod", Namespaced: true}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for began, sent := time.Now(), 0; ; sent++ {
		for f.paced && float64(sent) >= time.Since(began).Seconds()*readersOffered/readersLanes {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
		f.offered[lane]++
		n := f.offered[lane]
		c := &pipeline.Change{
			Key:    pipeline.Key{Cluster: cluster, Resource: "pods", Namespace: "n", Name: fmt.Sprint("p", n%100_000)},
			Origin: origin, Op: pipeline.Updated, UID: "0a1b2c3d-0000-4000-8000-000000000001", ResourceVersion: "123456",
			Object: object, Observed: time.Now(), Sequence: uint64(n),
		}
		if err := f.queue.Offer(ctx, c, 0); err != nil {
			if ctx.Err() == nil {
				b.Error(err)
			}
			return
		}
	}
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
