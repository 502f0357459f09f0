package stream

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// testQuietEvents: API servers send no bookmarks of events. While there are none,
// each watch ends when it was asked to, and is opened again; nothing is stale, not
// even when the version to go on from has been compacted.
func testQuietEvents(t *testing.T, cluster *testenv.Cluster) {
	events := schema.GroupVersionResource{Version: "v1", Resource: "events"}
	namespace := cluster.NewNamespace(t)
	r := follow(t, cluster.Config(), "events?namespace="+namespace)
	r.stop()
	r.opts.Config.StaleAfter = 16 * time.Second // a watch lasts for 12 at the most: this machine may stand still for some
	r.opts.Ledger = newLedger(t)
	r.run()
	r.wantLive()
	create := func(name string) {
		r.create(events, namespace, `{"apiVersion":"v1","kind":"Event","metadata":{"name":%q},"reason":"Test",
			"involvedObject":{"kind":"Pod","name":"p","namespace":%q},"type":"Normal"}`, name, namespace)
	}
	create("first")
	r.settle(events, namespace)
	closed := func(n uint64) {
		t.Helper()
		r.eventually("watches to end", func() string {
			if s := r.stream.Status(); s.Reconnects["closed"] < n {
				return string(s.State)
			}
			return ""
		})
	}
	closed(2)
	r.createConfigMap(namespace, 0) // goes beyond what the watch has told
	if err := cluster.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	closed(4)
	r.wantLive()
	create("second")
	r.settle(events, namespace)

	s := r.stream.Status()
	stale, told := r.opts.Connection.(*fakeConnection).isStale()
	if stale || told || s.State != member.Live || s.Reconnects["silent"] != 0 || s.Reconnects["expired"] == 0 || s.Tombstones != 0 {
		t.Errorf("the connection was told of silence: %t; status: %+v", told, s)
	}
	if got := r.mirror.counts(); got["added"] != 2 {
		t.Errorf("changes: %v", got)
	}
}
