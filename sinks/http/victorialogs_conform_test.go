package httpsink_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/testlogs"
	"github.com/fairlead-dev/fairlead/pipeline"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// TestVictoriaLogsConformance runs the suite with a real VictoriaLogs: what was accepted is read
// back with every field as it was, names of any script included.
func TestVictoriaLogsConformance(t *testing.T) {
	server := testlogs.StartVictoriaLogs(t, "-insert.maxLineSizeBytes=2MB")
	var runs atomic.Int64
	sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
		run := runs.Add(1) // each has its entries to itself
		o := httpsink.Options{URL: fmt.Sprint(server.URL, "?extra_fields=run=", run), Format: httpsink.VictoriaLogs, MaxEvent: 2_000_000}
		return open(t, o), func() []pipeline.Event { return entries(t, server, fmt.Sprintf("run:=%d", run)) }
	})
}

// entries are the events that a server holds, in the order of term and sequence: it has none of
// its own for those of one time.
func entries(t *testing.T, server *testlogs.Server, query string) (all []pipeline.Event) {
	t.Helper()
	for _, entry := range server.All(t, query) {
		all = append(all, eventOf(t, entry))
	}
	slices.SortStableFunc(all, func(a, b pipeline.Event) int {
		return cmp.Or(cmp.Compare(a.Term, b.Term), cmp.Compare(a.Sequence, b.Sequence))
	})
	return all
}

// eventOf makes an event of the fields of an entry, as docs/sinks/http.md names them.
func eventOf(t *testing.T, e map[string]string) pipeline.Event {
	t.Helper()
	number := func(name string) uint64 {
		n, err := strconv.ParseUint(e[name], 10, 64)
		if err != nil {
			t.Fatalf("%s of an entry: %v: %v", name, err, e)
		}
		return n
	}
	observed, err := time.Parse(time.RFC3339Nano, e["_time"])
	if err != nil {
		t.Fatal(err)
	}
	version, err := schema.ParseGroupVersion(e["api_version"])
	if err != nil {
		t.Fatal(err)
	}
	c := &pipeline.Change{
		Key: pipeline.Key{Cluster: e["cluster"], Resource: e["resource"], Namespace: e["namespace"], Name: e["name"]},
		Origin: &pipeline.Origin{
			Cluster: e["cluster"], ClusterUID: e["cluster_uid"], Kind: e["kind"], Namespaced: e["namespace"] != "", Term: number("term"),
			Resource: version.WithResource(schema.ParseGroupResource(e["resource"]).Resource),
		},
		Op:  map[string]pipeline.Op{"added": pipeline.Added, "updated": pipeline.Updated, "deleted": pipeline.Deleted}[e["op"]],
		UID: types.UID(e["uid"]), ResourceVersion: e["resource_version"], Sequence: number("sequence"),
		Snapshot: e["snapshot"] == "true", Tombstone: e["tombstone"] == "true", Observed: observed,
	}
	if object, ok := e["object"]; ok {
		c.Object = []byte(object)
	}
	event, err := pipeline.ParseEvent(c.AppendCloudEvent(nil))
	if err != nil {
		t.Fatalf("an entry is no event: %v: %v", err, e)
	}
	if event.ID != e["id"] {
		t.Errorf("the id of an entry is %q, and its fields say %q", e["id"], event.ID)
	}
	return event
}
