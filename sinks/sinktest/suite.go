package sinktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// Open returns a new sink with an empty destination, and a function that reads
// everything that the destination holds, in the order in which it arrived. The
// sink is closed by t's cleanup.
type Open func(t *testing.T) (sink pipeline.Sink, read func() []pipeline.Event)

// OpenState is [Open] for a sink whose destination holds what is now: read returns each
// object that exists as far as the destination knows, in any order.
type OpenState func(t *testing.T) (sink pipeline.Sink, read func() []sinks.Held)

// stand is a sink under test, and what compares what its destination holds with the
// changes that were accepted, in their order.
type stand struct {
	pipeline.Sink
	check func(t *testing.T, accepted []*pipeline.Change)
}

type opens func(t *testing.T) stand

// Run runs the suite for a sink whose destination holds what happened, one subtest for
// each rule.
func Run(t *testing.T, open Open) {
	run(t, func(t *testing.T) stand {
		sink, read := open(t)
		return stand{sink, func(t *testing.T, accepted []*pipeline.Change) {
			t.Helper()
			same(t, accepted, read())
		}}
	}, rules)
}

func run(t *testing.T, open opens, rules []rule) {
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) { rule.check(t, open) })
	}
}

var (
	configMaps = &pipeline.Origin{
		Cluster: "alpha", ClusterUID: "6d1f0b1e", Kind: "ConfigMap", Namespaced: true, Term: 1,
		Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
	}
	clusterRoles = &pipeline.Origin{
		Cluster: "alpha", ClusterUID: "6d1f0b1e", Kind: "ClusterRole", Term: 1,
		Resource: schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"},
	}
)

// state returns version v of the ConfigMap name, of sequence 10v.
func state(name string, v int) *pipeline.Change {
	op := pipeline.Updated
	if v == 1 {
		op = pipeline.Added
	}
	return &pipeline.Change{
		Key:    pipeline.Key{Cluster: "alpha", Resource: "configmaps", Namespace: "ns", Name: name},
		Origin: configMaps, Op: op, UID: types.UID("uid of " + name), ResourceVersion: strconv.Itoa(v),
		Object:   fmt.Appendf(nil, `{"apiVersion":"v1","kind":"ConfigMap","data":{"v":"%d"}}`, v),
		Observed: time.Date(2026, 1, 2, 3, 4, 5, v*1000, time.UTC), Sequence: 10 * uint64(v),
	}
}

// gone returns the deletion that is told as version v.
func gone(name string, v int) *pipeline.Change {
	c := state(name, v)
	c.Op = pipeline.Deleted
	return c
}

// ghost returns the deletion of the object that had the name of version v's.
func ghost(name string, v int) *pipeline.Change {
	c := gone(name, v)
	c.UID, c.ResourceVersion, c.Object = "ghost of "+types.UID(name), "", nil
	c.Tombstone, c.Ghost, c.Sequence = true, true, c.Sequence-5
	return c
}

// event returns what a change is to be read back as.
func event(t *testing.T, c *pipeline.Change) pipeline.Event {
	t.Helper()
	e, err := pipeline.ParseEvent(c.AppendCloudEvent(nil))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// write writes the batch, which the sink has no reason to refuse.
func write(t *testing.T, sink pipeline.Sink, batch ...*pipeline.Change) {
	t.Helper()
	if err := sink.Write(t.Context(), batch); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

// same reports what differs between the changes and the events, which may come
// in another order where their keys differ, and more than once.
func same(t *testing.T, want []*pipeline.Change, got []pipeline.Event) {
	t.Helper()
	wanted := map[pipeline.Key][]pipeline.Event{}
	for _, c := range want {
		wanted[c.Key] = append(wanted[c.Key], event(t, c))
	}
	// Of repeats the last counts: it is what a reader is left with.
	last := map[string]int{}
	for i, e := range got {
		last[e.Source+e.ID] = i
	}
	read := map[pipeline.Key][]pipeline.Event{}
	for i, e := range got {
		if last[e.Source+e.ID] == i {
			read[e.Key()] = append(read[e.Key()], e)
		}
	}
	// The object may be written with other white space.
	if diff := cmp.Diff(wanted, read, cmp.Comparer(func(a, b json.RawMessage) bool { return sameJSON(a, b) })); diff != "" {
		if len(diff) > 4000 {
			diff = diff[:4000] + "..."
		}
		t.Errorf("events by key (-written +read):\n%s", diff)
	}
}

// sameJSON reports whether two texts are the same but for white space and for the order
// of members.
func sameJSON(a, b []byte) bool {
	if bytes.Equal(a, b) || bytes.Equal(compact(a), compact(b)) {
		return true
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && cmp.Equal(x, y)
}

func compact(raw []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

// again returns the changes of the batch that have to be written again.
func again(t testing.TB, batch []*pipeline.Change, partial *pipeline.BatchError) []*pipeline.Change {
	t.Helper()
	if len(partial.Failed) == 0 {
		t.Fatal("a BatchError without a failed change")
	}
	for i, err := range partial.Failed {
		if i < 0 || i >= len(batch) || err == nil {
			t.Fatalf("a BatchError that says %v of change %d of %d", err, i, len(batch))
		}
	}
	var rest []*pipeline.Change
	failed := map[pipeline.Key]bool{}
	for i, c := range batch {
		if _, ok := partial.Failed[i]; ok || failed[c.Key] {
			failed[c.Key] = true
			rest = append(rest, c)
		}
	}
	return rest
}
