package stream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// sinkhole acks what it is offered.
type sinkhole struct{ always }

func (sinkhole) Offer(_ context.Context, c *pipeline.Change, _ int) error {
	begin(c)
	c.Origin.Tracker.Ack(c)
	return nil
}

type quietConnection struct{ Connection }

func (quietConnection) SetStale(string, bool) {}

// BenchmarkRead is what a stream does with a watched event from the bytes that
// were read to the ack in the ledger, sockets and queue left out.
func BenchmarkRead(b *testing.B) {
	for _, size := range []int{100, 2600} {
		b.Run(fmt.Sprint("bytes=", size), func(b *testing.B) {
			const objects = 1000
			l, err := ledger.Open(b.Context(), ledger.Options{})
			if err != nil {
				b.Fatal(err)
			}
			id := ledger.StreamID{Cluster: "c", Resource: "configmaps", Route: "a"}
			cursor, _ := l.Claim(ledger.Claiming{ID: id})
			s := New(Options{Cluster: "c", Spec: Spec{Resource: "configmaps"}, Config: Config{AuditInterval: -1}, Connection: quietConnection{}, Routes: []Route{{Name: "a", Queue: sinkhole{}}}})
			to := s.branches[0]
			to.cursor, to.origin = cursor, &pipeline.Origin{Tracker: tracker{acks: &ackSignal{}, cursor: cursor}}
			main := s.main.Load()
			main.target = &target{
				resource: resource{gvr: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, kind: "ConfigMap", namespaced: true},
				name:     "configmaps",
			}
			a := &attempt{reader: main, watchdog: newWatchdog(nil, s.cfg, main.contended), running: b.Context()}

			version := 0
			batch := func() []byte {
				var frames bytes.Buffer
				for i := range objects {
					version++
					fmt.Fprintf(&frames, `{"type":"MODIFIED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"settings-%04d",`+
						`"namespace":"default","uid":"0f0e6b5c-7a8f-4c3e-9a1b-2d3c4e5f%04d","resourceVersion":"%d"},"data":{"x":"%s"}}}`+"\n",
						i, i, version, bytes.Repeat([]byte("x"), size))
				}
				return frames.Bytes()
			}
			b.ReportAllocs()
			events := 0
			for b.Loop() {
				b.StopTimer()
				frames := batch()
				b.SetBytes(int64(len(frames)))
				b.StartTimer()
				if err := a.read(b.Context(), io.NopCloser(bytes.NewReader(frames)), false); err != nil {
					b.Fatal(err)
				}
				events += objects
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "changes/s")
		})
	}
}

// BenchmarkAuditMemory tells what an audit holds for each object, when all of
// them are listed and change meanwhile.
func BenchmarkAuditMemory(b *testing.B) {
	const objects = 100_000
	l, err := ledger.Open(b.Context(), ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	cursor, _ := l.Claim(ledger.Claiming{ID: ledger.StreamID{Cluster: "c", Resource: "configmaps", Route: "a"}})
	name := func(i int) ledger.Name { return ledger.Name{Namespace: "default", Name: fmt.Sprint("settings-", i)} }
	version := func(i int) ledger.Version {
		return ledger.Version{UID: "0f0e6b5c-7a8f-4c3e-9a1b-2d3c4e5f0000", ResourceVersion: strconv.Itoa(i + 1)}
	}
	for i := range objects {
		pretend(cursor, name(i), version(i), false)
	}
	s := New(Options{Cluster: "c", Spec: Spec{Resource: "configmaps"}, Config: Config{AuditInterval: -1}, Connection: quietConnection{}, Routes: []Route{{Name: "a", Queue: sinkhole{}}}})
	s.branches[0].cursor = cursor
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := held()
		au := newAudit(s.main.Load(), nil, &target{}, func(error) {})
		for i := range objects {
			if err := au.compare(name(i), version(i), nil); err != nil {
				b.Fatal(err)
			}
			note := au.observe(name(i), version(i), false)
			cursor.Observe(name(i), version(i), false, false, nil)
			note.done()
		}
		b.ReportMetric(float64(held()-before)/objects, "B/object")
		au.findMissing(objects)
		if len(au.suspects) != 0 {
			b.Fatal("something differs")
		}
	}
}
