package bench

import (
	"context"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/stream"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// BenchmarkStreamCPU is what an event costs the client: from a real API server
// through the stream and the ledger, to where a queue would take it. What it is
// compared with are a bare reader and informers of the same objects. First all
// objects are read, then, by the same watch, changes while they are made; who
// makes them runs in another process.
func BenchmarkStreamCPU(b *testing.B) {
	s := requireAPI(b)
	starts := []struct {
		name  string
		start func(b *testing.B, config *rest.Config) follower
	}{
		{"fairlead", func(b *testing.B, config *rest.Config) follower { return startStream(b, config, "configmaps") }},
		{"fairlead-metadata", func(b *testing.B, config *rest.Config) follower {
			return startStream(b, config, "configmaps?mode=metadata")
		}},
		{"bare", s.startBareReader},
	}
	b.Run("phase=snapshot", func(b *testing.B) {
		for _, impl := range starts {
			b.Run("impl="+impl.name, func(b *testing.B) { s.measureSnapshot(b, impl.start) })
		}
		for _, k := range informers {
			b.Run("impl="+k.name, func(b *testing.B) { s.measureSnapshot(b, k.start) })
		}
	})
	b.Run("phase=live", func(b *testing.B) {
		for _, impl := range starts {
			b.Run("impl="+impl.name, func(b *testing.B) { s.measureLive(b, impl.start) })
		}
		for _, k := range informers {
			b.Run("impl="+k.name, func(b *testing.B) { s.measureLive(b, k.start) })
		}
	})
}

func (s *apiServer) measureSnapshot(b *testing.B, start func(b *testing.B, config *rest.Config) follower) {
	var clock stopwatch
	for range b.N {
		var f follower
		clock.measure(func() {
			f = start(b, s.config())
			f.await(b, apiObjects)
		})
		f.end()
	}
	clock.report(b, apiObjects)
}

func (s *apiServer) measureLive(b *testing.B, start func(b *testing.B, config *rest.Config) follower) {
	writer := s.writer(b)
	f := start(b, s.config())
	defer f.end()
	f.await(b, apiObjects)
	var clock stopwatch
	for range b.N {
		clock.measure(func() {
			s.change(writer)
			f.await(b, apiChanges)
		})
	}
	clock.report(b, apiChanges)
}

// streamFollower is a stream whose changes are acked as soon as they come.
type streamFollower struct {
	*tally
	stream *stream.Stream
	stop   func()
}

func startStream(b *testing.B, config *rest.Config, spec string) follower {
	b.Helper()
	parsed, err := stream.ParseSpec(spec)
	if err != nil {
		b.Fatal(err)
	}
	conn, err := connection.New(connection.Options{Cluster: "bench", REST: config})
	if err != nil {
		b.Fatal(err)
	}
	l, err := ledger.Open(b.Context(), ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	f := &streamFollower{tally: newTally()}
	f.stream = stream.New(stream.Options{Cluster: "bench", Spec: parsed, Connection: conn, Routes: []stream.Route{{Name: "bench", Queue: f}}, Ledger: l, Buffers: new(wire.Buffers)})
	disconnect := background(b, func(ctx context.Context) { _ = conn.Run(ctx) })
	stop := background(b, func(ctx context.Context) { _ = f.stream.Run(ctx) })
	f.stop = func() { stop(); disconnect() }
	return f
}

// Offer takes what is offered, as a queue with a sink that is quick would.
func (f *streamFollower) TryOffer(c *pipeline.Change, priority int) error {
	return f.Offer(context.Background(), c, priority)
}

func (f *streamFollower) WaitRoom(context.Context, string) error { return nil }

func (f *streamFollower) Offer(_ context.Context, c *pipeline.Change, _ int) error {
	if _, safe, _ := c.Origin.Tracker.Begin(c); safe != nil {
		<-safe
	}
	c.Origin.Tracker.Ack(c)
	if !isForeign(c.Key.Namespace) {
		f.add(1)
	}
	return nil
}

func (f *streamFollower) end() { f.stop() }
