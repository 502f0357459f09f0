package hub

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// BenchmarkWrite writes states of 500 objects, which are made in the first round and
// replaced in those that follow, 16 requests at a time: through the sink, and as one would
// with client-go, by server-side apply. Both write the same records.
func BenchmarkWrite(b *testing.B) {
	c := startHub(b)
	const objects = 500
	var version atomic.Int64
	round := func() []*pipeline.Change {
		v := int(version.Add(1))
		batch := make([]*pipeline.Change, objects)
		for i := range batch {
			batch[i] = state(fmt.Sprint("object-", i), 2+v) // Updated
			batch[i].Object = fmt.Appendf(nil, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"object-%d","namespace":"ns","labels":{"app":"shop","tier":"front"}},"data":{"v":"%d"}}`, i, v)
		}
		return batch
	}
	run := func(name string, write func(ctx context.Context, ns string, batch []*pipeline.Change) error) {
		b.Run(name, func(b *testing.B) {
			ns := c.NewNamespace(b)
			if err := write(b.Context(), ns, round()); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				batch := round()
				if err := write(b.Context(), ns, batch); err != nil {
					b.Fatal(err)
				}
				n += len(batch)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "changes/s")
		})
	}
	for _, full := range []bool{false, true} {
		mode := map[bool]string{false: "metadata", true: "full"}[full]
		sinks := map[string]*Sink{}
		run("sink/"+mode, func(ctx context.Context, ns string, batch []*pipeline.Change) error {
			if sinks[ns] == nil {
				sinks[ns] = open(b, c.Config(), ns, func(o *Options) { o.Full = full })
			}
			return sinks[ns].Write(ctx, batch)
		})
		run("client-go/"+mode, applying(b, c, full))
	}
}

// applying returns what writes with client-go alone.
func applying(b *testing.B, c *testenv.Cluster, full bool) func(ctx context.Context, ns string, batch []*pipeline.Change) error {
	config := rest.CopyConfig(c.Config())
	config.QPS = -1
	web, err := rest.HTTPClientFor(config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(web.CloseIdleConnections)
	client, err := dynamic.NewForConfigAndClient(config, web)
	if err != nil {
		b.Fatal(err)
	}
	records := client.Resource(schema.GroupVersionResource{Group: group, Version: version, Resource: "records"})
	return func(ctx context.Context, ns string, batch []*pipeline.Change) error {
		var (
			next   atomic.Int64
			wg     sync.WaitGroup
			failed atomic.Pointer[error]
		)
		for range defaultConnections {
			wg.Go(func() {
				for i := int(next.Add(1)) - 1; i < len(batch); i = int(next.Add(1)) - 1 {
					r, err := recordOf(batch[i], full, batch[i].Observed)
					if err == nil {
						var body []byte
						if body, err = marshal(r); err == nil {
							_, err = records.Namespace(ns).Patch(ctx, r.Metadata.Name, types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: fieldManager, Force: new(true)})
						}
					}
					if err != nil {
						failed.Store(&err)
					}
				}
			})
		}
		wg.Wait()
		if err := failed.Load(); err != nil {
			return *err
		}
		return nil
	}
}
