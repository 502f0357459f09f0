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

	"github.com/fairlead-dev/fairlead/internal/sinkbench"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// BenchmarkSink writes states of 500 objects, which are made in the first round and
// replaced in those that follow, 16 requests at a time: through the sink, and as one would
// with client-go, by server-side apply. Both write the same records. The CPU is the
// clients'.
func BenchmarkSink(b *testing.B) {
	c := startHub(b)
	const objects = 500
	batchOf := func(round int) []*pipeline.Change {
		batch := make([]*pipeline.Change, objects)
		for i := range batch {
			batch[i] = state(fmt.Sprint("object-", i), 3+round) // Updated
			batch[i].Object = fmt.Appendf(nil, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"object-%d","namespace":"ns","labels":{"app":"shop","tier":"front"}},"data":{"v":"%d"}}`, i, round)
		}
		return batch
	}
	for _, full := range []bool{false, true} {
		mode := map[bool]string{false: "metadata", true: "full"}[full]
		b.Run("sink=hub/what="+mode+"/impl=fairlead", func(b *testing.B) {
			sink := open(b, c.Config(), c.NewNamespace(b), func(o *Options) { o.Full = full })
			apply, ns := applying(b, c, full), c.NewNamespace(b)
			sinkbench.Compare(b, objects, nil,
				func(round int) error { return sink.Write(b.Context(), batchOf(round)) },
				func(round int) error { return apply(b.Context(), ns, batchOf(round)) })
		})
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
