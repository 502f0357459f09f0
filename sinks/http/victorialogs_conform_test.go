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

// TestVictoriaLogsConformance runs the suite with a real VictoriaLogs, in each format of which it
// keeps all: what was accepted is read back with every field as it was, names of any script
// included. Of Loki and Splunk it has to be told to leave the event as it is.
func TestVictoriaLogsConformance(t *testing.T) {
	server := testlogs.StartVictoriaLogs(t, "-insert.maxLineSizeBytes=2MB")
	var runs atomic.Int64
	for _, test := range []struct {
		format httpsink.Format
		target string
		read   func(*testing.T, map[string]string) pipeline.Event
	}{
		{httpsink.VictoriaLogs, "?", eventOf},
		{httpsink.Loki, "/insert/loki/api/v1/push?disable_message_parsing=1&", eventInMessage},
		{httpsink.Splunk, "/insert/splunk/services/collector/event?preserve_json_keys=event&_msg_field=event&", eventInMessage},
	} {
		t.Run(string(test.format), func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
				run := runs.Add(1) // each has its entries to itself
				o := httpsink.Options{URL: fmt.Sprint(server.URL, test.target, "extra_fields=run=", run), Format: test.format, MaxEvent: 2_000_000}
				return open(t, o), func() []pipeline.Event { return entries(t, server, fmt.Sprintf("run:=%d", run), test.read) }
			})
		})
	}
}

// entries are the events that a server holds, in the order of term and sequence: it has none of
// its own for those of one time.
func entries(t *testing.T, server *testlogs.Server, query string, read func(*testing.T, map[string]string) pipeline.Event) (all []pipeline.Event) {
	t.Helper()
	for _, entry := range server.All(t, query) {
		all = append(all, read(t, entry))
	}
	slices.SortStableFunc(all, func(a, b pipeline.Event) int {
		return cmp.Or(cmp.Compare(a.Term, b.Term), cmp.Compare(a.Sequence, b.Sequence))
	})
	return all
}

// eventInMessage reads the event that is the message of an entry.
func eventInMessage(t *testing.T, e map[string]string) pipeline.Event {
	t.Helper()
	event, err := pipeline.ParseEvent([]byte(e["_msg"]))
	if err != nil {
		t.Fatalf("the message of an entry is no event: %v: %.500v", err, e)
	}
	return event
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
