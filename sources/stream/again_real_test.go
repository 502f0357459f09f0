package stream

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// testReread: a real API server lists one object by name, under the selectors of the
// stream and in every mode. What it has of another state, or has not any more, moves on.
func testReread(t *testing.T, cluster *testenv.Cluster) {
	for name, parameters := range map[string]string{
		"whole": "", "selected": "&labelSelector=app%21%3Dx&fieldSelector=metadata.name%21%3Dx", "metadata": "&mode=metadata",
	} {
		t.Run(name, func(t *testing.T) {
			namespace := cluster.NewNamespace(t)
			r := follow(t, cluster.Config(), "configmaps?namespace="+namespace+parameters)
			r.stop()
			q := plainQueue{&fakeQueue{changes: make(chan *pipeline.Change, 16)}}
			r.opts.Routes, r.opts.Ledger = []Route{{Name: "a", Queue: q}}, newLedger(t)
			r.run()
			r.wantLive()
			next := func() *pipeline.Change {
				t.Helper()
				select {
				case c := <-q.changes:
					return c
				case <-time.After(time.Minute):
					t.Fatalf("no change; status: %+v", r.stream.Status())
					return nil
				}
			}
			refuse := func(c *pipeline.Change) {
				t.Helper()
				begin(c)
				c.Refusals++
				c.Rests = true
				if c.Evict(); c.Object != nil || c.Evicted == 0 {
					t.Fatalf("it is not evicted: %+v", c)
				}
				c.Origin.Tracker.(pipeline.Rereader).Reread(c)
			}
			r.createConfigMap(namespace, 1)
			c := next()
			was := *c
			refuse(c)
			again := next()
			if again.Sequence != was.Sequence || again.Refusals != 1 || again.Moved || !sameJSON(t, again.Object, was.Object) {
				t.Errorf("it came again as %+v, and was %+v", again, was)
			}
			objects := r.client.Resource(configMaps).Namespace(namespace)
			if err := objects.Delete(t.Context(), "cm-1", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			gone := next()
			if gone.Op != pipeline.Deleted {
				t.Fatalf("%+v, want the deletion", gone)
			}
			refuse(again)
			if moved := next(); !moved.Moved || moved.Object != nil || moved.Sequence != was.Sequence {
				t.Errorf("it came as %+v, and the object is gone", moved)
			}
			begin(gone)
			gone.Origin.Tracker.Ack(gone)
			if known := r.stream.Status().Known; known != 0 {
				t.Errorf("%d objects are known", known)
			}
		})
	}
}
