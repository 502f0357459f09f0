package bench

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/ledger/bolt"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sinks/batch"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// program is Fairlead as `fairlead run` wires it, with its defaults, but without
// limits on the rates of members unless it is given some: they are here to be
// measured.
type program struct {
	*tally
	queue   *stage.Queue
	sources *sources.Sources
	stops   []func() // from left to right
	store   *bolt.Store
}

type programOptions struct {
	ledger  string // path
	members []*rest.Config
	watches []string
	sink    pipeline.Sink // nil: it drops everything
	buckets *ratelimit.Buckets
}

// startProgram starts a program, which ends with end.
func startProgram(b testing.TB, o programOptions) *program {
	b.Helper()
	p := &program{tally: newTally()}
	var err error
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	p.store, err = bolt.Open(o.ledger)
	must(err)
	l, err := ledger.Open(b.Context(), ledger.Options{Store: p.store})
	must(err)
	sink := batch.New("bench", &countingSink{o.sink, p.tally}, batch.Options{})
	p.queue = stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{Name: "bench", Buckets: o.buckets})
	stage, err := stage.New(stage.Options{
		Queue: p.queue, Destination: sink, Workers: 64,
		Registerer: prometheus.NewRegistry(), Log: logr.Discard(),
	})
	must(err)
	mgr, err := manager.New(&rest.Config{Host: "https://hub.invalid"}, manager.Options{
		Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	must(err)
	must(stage.SetupWithManager(mgr))
	specs, err := stream.ParseSpecs(o.watches)
	must(err)
	p.sources = sources.New(sources.Options{
		Config: sources.Config{
			Connection:             connection.Config{QPS: 1000, Burst: 1000},
			MaxConcurrentSnapshots: 8,
			Quota:                  sources.Quota{Objects: -1, Bytes: -1},
		},
		Specs: specs, Routes: []sources.Route{{Name: "bench", Queue: p.queue}}, Ledger: ledger.NewHandle(l, nil), Log: logr.Discard(),
	})
	for i, config := range o.members {
		p.sources.Set(fleet.Member{Name: "member-" + strconv.Itoa(i), REST: config})
	}
	run := func(run func(context.Context) error) func() {
		return background(b, func(ctx context.Context) { _ = run(ctx) }) // nil when it is asked to stop
	}
	stopLedger, stopSink, stopManager := run(l.Run), run(sink.Run), run(mgr.Start)
	stopQueue := func() {
		drain, cancel := context.WithTimeout(context.WithoutCancel(b.Context()), time.Second)
		defer cancel()
		p.queue.Stop(drain)
	}
	p.stops = []func(){run(p.sources.Run), stopQueue, stopManager, stopSink, stopLedger}
	return p
}

func (p *program) end() {
	for _, stop := range p.stops {
		stop()
	}
	_ = p.store.Close() // everything was stored
}

// awaitLive waits until that many streams follow what they should.
func (p *program) awaitLive(b testing.TB, streams int) {
	b.Helper()
	until(b, "all streams to be live", func() bool {
		live := 0
		for _, m := range p.sources.Status() {
			for _, s := range m.Streams {
				if s.State == member.Live {
					live++
				}
			}
		}
		return live == streams
	})
}

// awaitAcked waits until sinks have accepted all that was read.
func (p *program) awaitAcked(b testing.TB) {
	b.Helper()
	until(b, "all changes to be accepted", func() bool {
		for _, m := range p.sources.Status() {
			for _, s := range m.Streams {
				if s.Unacked > 0 {
					return false
				}
			}
		}
		return true
	})
}

// until polls, so seldom that it costs nothing.
func until(b testing.TB, what string, ok func() bool) {
	b.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	given := time.After(patience)
	for !ok() {
		select {
		case <-again.C:
		case <-given:
			b.Fatal("waited in vain for ", what)
		case <-b.Context().Done():
			b.Fatal("the benchmark was ended")
		}
	}
}

// countingSink counts what its sink accepts; without a sink it accepts all.
type countingSink struct {
	sink pipeline.Sink
	*tally
}

func (s *countingSink) Write(ctx context.Context, changes []*pipeline.Change) error {
	if s.sink != nil {
		if err := s.sink.Write(ctx, changes); err != nil {
			return err
		}
	}
	n := 0
	for _, c := range changes {
		if !isForeign(c.Key.Namespace) {
			n++
		}
	}
	s.add(n)
	return nil
}

// stallingSink accepts nothing while it is stalled.
type stallingSink struct {
	mu      sync.Mutex
	stalled chan struct{} // closed when it goes on; nil: it does not stall
}

func (s *stallingSink) stall() (resume func()) {
	stalled := make(chan struct{})
	s.mu.Lock()
	s.stalled = stalled
	s.mu.Unlock()
	return sync.OnceFunc(func() { close(stalled) })
}

func (s *stallingSink) Write(ctx context.Context, _ []*pipeline.Change) error {
	s.mu.Lock()
	stalled := s.stalled
	s.mu.Unlock()
	if stalled == nil {
		return nil
	}
	select {
	case <-stalled:
		return nil
	case <-ctx.Done():
		return errors.New("ended while it stalled")
	}
}
