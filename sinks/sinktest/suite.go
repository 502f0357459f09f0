package sinktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// Open returns a new sink with an empty destination, and a function that reads
// everything that the destination holds, in the order in which it arrived. The
// sink is closed by t's cleanup.
type Open func(t *testing.T) (sink pipeline.Sink, read func() []pipeline.Event)

// Run runs the suite, one subtest for each rule.
func Run(t *testing.T, open Open) {
	for _, rule := range []struct {
		name  string
		check func(*testing.T, Open)
	}{
		{"accepted changes can be read", acceptedCanBeRead},
		{"deletions and tombstones", deletions},
		{"order of each key", order},
		{"an empty batch", emptyBatch},
		{"big objects", bigObjects},
		{"names of any script", anyNames},
		{"nothing is kept of a batch", nothingIsKept},
		{"an ended context", endedContext},
		{"repeats after a cancelled write", cancelledWrite},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.check(t, open) })
	}
}

var (
	configMaps = &pipeline.Origin{
		Cluster: "alpha", ClusterUID: "6d1f0b1e", Kind: "ConfigMap", Namespaced: true,
		Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
	}
	clusterRoles = &pipeline.Origin{
		Cluster: "alpha", ClusterUID: "6d1f0b1e", Kind: "ClusterRole",
		Resource: schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"},
	}
)

// state returns version v of the ConfigMap name.
func state(name string, v int) *pipeline.Change {
	op := pipeline.Updated
	if v == 1 {
		op = pipeline.Added
	}
	return &pipeline.Change{
		Key:    pipeline.Key{Cluster: "alpha", Resource: "configmaps", Namespace: "ns", Name: name},
		Origin: configMaps, Op: op, UID: types.UID("uid of " + name), ResourceVersion: strconv.Itoa(v),
		Object:   fmt.Appendf(nil, `{"apiVersion":"v1","kind":"ConfigMap","data":{"v":"%d"}}`, v),
		Observed: time.Date(2026, 1, 2, 3, 4, 5, v, time.UTC),
	}
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
	if diff := cmp.Diff(wanted, read, cmp.Comparer(func(a, b json.RawMessage) bool {
		return bytes.Equal(compact(a), compact(b))
	})); diff != "" {
		if len(diff) > 4000 {
			diff = diff[:4000] + "..."
		}
		t.Errorf("events by key (-written +read):\n%s", diff)
	}
}

func compact(raw json.RawMessage) []byte {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

func acceptedCanBeRead(t *testing.T, open Open) {
	sink, read := open(t)
	var all []*pipeline.Change
	for i := range 5 {
		var batch []*pipeline.Change
		for j := range 1 + i*20 {
			c := state(fmt.Sprintf("cm-%d-%d", i, j), 1)
			c.Snapshot = j%2 == 0
			batch = append(batch, c)
		}
		write(t, sink, batch...)
		all = append(all, batch...)
		same(t, all, read())
	}
}

func deletions(t *testing.T, open Open) {
	sink, read := open(t)
	seen := state("seen", 2)
	seen.Op = pipeline.Deleted
	// A ghost goes first, then the object that took its name.
	ghost := state("name", 1)
	ghost.Op, ghost.UID, ghost.Object, ghost.Tombstone, ghost.Snapshot = pipeline.Deleted, "ghost", nil, true, true
	scoped := &pipeline.Change{
		Key: pipeline.Key{Cluster: "alpha", Resource: "clusterroles.rbac.authorization.k8s.io", Name: "system:node"}, Origin: clusterRoles,
		Op: pipeline.Deleted, UID: "r", Tombstone: true, Observed: time.Unix(1e9, 0).UTC(),
	}
	batch := []*pipeline.Change{state("seen", 1), seen, ghost, state("name", 1), scoped}
	write(t, sink, batch...)
	same(t, batch, read())
}

func order(t *testing.T, open Open) {
	sink, read := open(t)
	var all []*pipeline.Change
	for v := 1; v <= 60; {
		var batch []*pipeline.Change
		for range 1 + v%4 {
			batch = append(batch, state("a", v), state("b", v), state("c", v))
			v++
		}
		write(t, sink, batch...)
		all = append(all, batch...)
	}
	same(t, all, read())
}

func emptyBatch(t *testing.T, open Open) {
	sink, read := open(t)
	write(t, sink)
	same(t, nil, read())
}

func bigObjects(t *testing.T, open Open) {
	sink, read := open(t)
	big := state("big", 1)
	big.Object = []byte(`{"data":{"k":"` + strings.Repeat("0123456789abcdef", 1<<16) + `"}}`)
	batch := []*pipeline.Change{state("before", 1), big, state("after", 1)}
	write(t, sink, batch...)
	same(t, batch, read())
}

func anyNames(t *testing.T, open Open) {
	sink, read := open(t)
	var batch []*pipeline.Change
	for _, name := range []string{"名前", "système:rôle", "emoji-🚢", `quo"te\`, "sp ace", "line\u2028end", "new\nline", "..%2e"} {
		c := state(name, 1)
		c.Object = fmt.Appendf(nil, "{\n\t\"metadata\": {\"name\": %q}\r\n}", "名前\u2028")
		batch = append(batch, c)
	}
	write(t, sink, batch...)
	same(t, batch, read())
}

func nothingIsKept(t *testing.T, open Open) {
	sink, read := open(t)
	batch := []*pipeline.Change{state("a", 1), state("b", 1)}
	written := []*pipeline.Change{state("a", 1), state("b", 1)}
	write(t, sink, batch...)
	for i, c := range batch {
		for j := range c.Object {
			c.Object[j] = 'X'
		}
		*c = pipeline.Change{}
		batch[i] = nil
	}
	write(t, sink, state("c", 1))
	same(t, append(written, state("c", 1)), read())
}

func endedContext(t *testing.T, open Open) {
	sink, read := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	accepted := []*pipeline.Change{state("a", 1)}
	if err := sink.Write(ctx, accepted); err != nil {
		accepted = nil
	}
	write(t, sink, state("b", 1))
	got := read()
	if accepted == nil {
		// It may have arrived nevertheless.
		for i, e := range got {
			if e.Name == "a" {
				got = append(got[:i], got[i+1:]...)
				break
			}
		}
	}
	same(t, append(accepted, state("b", 1)), got)
}

// cancelledWrite cancels writes at any moment and writes again what was not
// accepted, as the batcher does.
func cancelledWrite(t *testing.T, open Open) {
	sink, read := open(t)
	var all []*pipeline.Change
	for v := range 50 {
		batch := []*pipeline.Change{state("a", 2*v+1), state("b", v+1), state("a", 2*v+2)}
		all = append(all, batch...)
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		err := sink.Write(ctx, batch)
		cancel()
		for err != nil {
			if partial, ok := errors.AsType[*pipeline.BatchError](err); ok {
				batch = again(t, batch, partial)
			}
			err = sink.Write(t.Context(), batch)
		}
	}
	same(t, all, read())
}

// again returns the changes of the batch that have to be written again.
func again(t *testing.T, batch []*pipeline.Change, partial *pipeline.BatchError) []*pipeline.Change {
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
