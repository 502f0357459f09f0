package bench

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/bench/internal/trace"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/stream"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// BenchmarkSelection is what rules cost, and what they leave out, of the watches of a
// cluster of 200 nodes. Each case runs the same trace with the rules and without, one after the
// other, through streams and ledger, to where a queue would take what is delivered: what
// is reported is the difference.
func BenchmarkSelection(b *testing.B) {
	rules := []struct {
		name  string
		texts selection.Texts
	}{
		{"heartbeats", selection.Texts{Preset: []string{"heartbeats"}}},
		{"where", selection.Texts{Where: []string{
			"leases.coordination.k8s.io,nodes,events: object.metadata.name != 'a' && object.metadata.uid != 'b'", "pods: object.metadata.namespace != 'a' && object.status.phase != 'b'",
		}}},
		// Each change of a pod changes one of these: what is measured is without what is saved
		// where nothing is delivered.
		{"changed", selection.Texts{Changed: []string{"pods: spec,status.conditions,metadata.deletionTimestamp", "leases.coordination.k8s.io: spec,metadata.labels,metadata.name"}}},
		{"others", selection.Texts{Where: []string{"configmaps: object.metadata.name != 'a'"}, Changed: []string{"configmaps: data"}, Drop: []string{"configmaps: data"}}},
	}
	// Each is made once, as that takes longer than to measure.
	all := sync.OnceValue(func() []*trace.Resource { return trace.Make(trace.Options{}).Resources() })
	pods := sync.OnceValue(func() []*trace.Resource {
		return []*trace.Resource{&trace.Make(trace.Options{Nodes: 50, PodLife: 30 * time.Minute, Duration: 10 * time.Minute}).Pods}
	})
	shortLived := sync.OnceValue(func() []*trace.Resource { return trace.Make(trace.Options{PodLife: 12 * time.Hour}).Resources() })
	for _, r := range rules {
		b.Run("rules="+r.name, func(b *testing.B) {
			b.Run("watches=all/impl=fairlead", func(b *testing.B) { measureRules(b, r.texts, all()) })
			if r.name == "heartbeats" {
				b.Run("watches=all-12h/impl=fairlead", func(b *testing.B) { measureRules(b, r.texts, shortLived()) })
			} else {
				b.Run("watches=pods/impl=fairlead", func(b *testing.B) { measureRules(b, r.texts, pods()) })
			}
		})
	}
	b.Run("rules=digests/impl=fairlead", measureDigests)
}

// measureRules runs watches with rules and without.
func measureRules(b *testing.B, texts selection.Texts, watches []*trace.Resource) {
	rules, err := selection.Parse(texts, selection.ParseOptions{})
	if err != nil {
		b.Fatal(err)
	}
	var with, without stopwatch
	var mallocsWith, mallocsWithout uint64
	events, delivered := 0, 0
	for range b.N {
		for _, r := range watches {
			plain := playTrace(b, r, nil, &without)
			ruled := playTrace(b, r, rules, &with)
			mallocsWithout, mallocsWith = mallocsWithout+plain.mallocs, mallocsWith+ruled.mallocs
			events, delivered = events+r.Events, delivered+ruled.delivered
			if plain.delivered != r.Events {
				b.Fatalf("without rules %d of %d events of %s are delivered", plain.delivered, r.Events, r.Plural)
			}
		}
	}
	each := func(n float64) float64 { return n / float64(events) }
	b.ReportMetric(each(float64(delivered)), "delivered-share")
	b.ReportMetric(each(float64(with.used)), "cpu-ns/event")
	b.ReportMetric(each(float64(with.used-without.used)), "more-cpu-ns/event")
	b.ReportMetric(each(float64(mallocsWith)-float64(mallocsWithout)), "more-allocs/event")
	b.ReportMetric(0, "ns/op")
}

// taker acks what it is offered, and counts it.
type taker struct {
	taken atomic.Int64
}

func (t *taker) TryOffer(c *pipeline.Change, priority int) error {
	return t.Offer(context.Background(), c, priority)
}

func (t *taker) WaitRoom(context.Context, string) error { return nil }

func (t *taker) Offer(_ context.Context, c *pipeline.Change, _ int) error {
	if _, safe, _ := c.Origin.Tracker.Begin(c); safe != nil {
		<-safe
	}
	c.Origin.Tracker.Ack(c)
	t.taken.Add(1)
	return nil
}

// played is what came of a watch, after its first snapshot.
type played struct {
	delivered int
	mallocs   uint64
}

// playTrace has a stream follow one resource, and measures what is live.
func playTrace(b *testing.B, r *trace.Resource, rules *selection.Rules, clock *stopwatch) played {
	b.Helper()
	l, err := ledger.Open(b.Context(), ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	m, f := newMemoryMember(b, r), new(taker)
	s := stream.New(stream.Options{
		Cluster: "bench", Spec: stream.Spec{Resource: r.Plural, Group: r.Group}, Config: stream.Config{AuditInterval: -1}, Connection: m,
		Routes: []stream.Route{{Name: "bench", Queue: f}}, Rules: rules, Ledger: l, Buffers: new(wire.Buffers),
	})
	stop := background(b, func(ctx context.Context) { _ = s.Run(ctx) })
	defer stop()
	await := func(what string, c <-chan struct{}) {
		select {
		case <-c:
		case <-time.After(20 * time.Second):
			b.Fatalf("%s of %s: %+v", what, r.Plural, s.Status())
		}
	}
	await("the snapshot", m.watch.listed)
	listed := int(f.taken.Load())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	clock.measure(func() {
		close(m.watch.released)
		await("the events", m.watch.read)
	})
	runtime.ReadMemStats(&after)
	return played{int(f.taken.Load()) - listed, after.Mallocs - before.Mallocs}
}

// measureDigests is what the ledger holds more of each object, if rules say which changes
// count.
func measureDigests(b *testing.B) {
	const objects = 120_000
	held := func(digest uint64) float64 {
		l, err := ledger.Open(b.Context(), ledger.Options{})
		if err != nil {
			b.Fatal(err)
		}
		before := heldHeap()
		c, _ := l.Claim(ledger.Claiming{ID: ledger.StreamID{Cluster: "bench", Resource: "pods"}})
		c.BeginSnapshot()
		for i := range objects {
			n := ledger.Name{Namespace: fmt.Sprintf("team-%02d", i%40), Name: fmt.Sprintf("checkout-%07d", i)}
			v := ledger.Version{UID: fmt.Sprintf("0f0e6b5c-7a8f-4c3e-9a1b-%012d", i), ResourceVersion: fmt.Sprint(i + 1)}
			d := digest
			if d != 0 {
				d += uint64(i) * 0x9e3779b97f4a7c15
			}
			o := c.ObserveState(n, ledger.State{Version: v, Snapshot: true, Digest: d}, nil)
			c.Begin(o.Sequence, n, v, false)
			c.Ack(o.Sequence, n, v, false)
		}
		grown := heldHeap() - before
		runtime.KeepAlive(c)
		return float64(grown) / objects
	}
	sum := 0.0
	for range b.N {
		sum += held(1) - held(0)
	}
	b.ReportMetric(sum/float64(b.N), "more-B/object")
	b.ReportMetric(0, "ns/op")
}
