package sinktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
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

type rule struct {
	name  string
	check func(*testing.T, opens)
}

// rules are those of all sinks.
var rules = []rule{
	{"accepted changes can be read", acceptedCanBeRead},
	{"deletions and tombstones", deletions},
	{"order of each key", order},
	{"an empty batch", emptyBatch},
	{"big objects", bigObjects},
	{"huge objects", hugeObjects},
	{"names of any script", anyNames},
	{"texts that few expect", anyTexts},
	{"nothing is kept of a batch", nothingIsKept},
	{"an ended context", endedContext},
	{"repeats after a cancelled write", cancelledWrite},
}

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
	if bytes.Equal(compact(a), compact(b)) {
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

// deliver writes a batch as the batcher does: a permanent error of several has it split.
// It returns what was accepted; of each change that was not, the sink said that it never
// will.
func deliver(t *testing.T, sink pipeline.Sink, batch ...*pipeline.Change) (accepted []*pipeline.Change) {
	t.Helper()
	refusals := refused(t, sink, batch)
	for i, c := range batch {
		if reason := refusals[i]; reason == nil {
			accepted = append(accepted, c)
		} else if !pipeline.IsPermanent(reason) {
			t.Errorf("%s is refused for now: %v", c.Key, reason)
		}
	}
	return accepted
}

func acceptedCanBeRead(t *testing.T, open opens) {
	s := open(t)
	var all []*pipeline.Change
	for i := range 5 {
		var batch []*pipeline.Change
		for j := range 1 + i*20 {
			c := state(fmt.Sprintf("cm-%d-%d", i, j), 1)
			c.Snapshot = j%2 == 0
			batch = append(batch, c)
		}
		write(t, s, batch...)
		all = append(all, batch...)
		s.check(t, all)
	}
}

// deletions deletes an object with its last state, and two without; of one of them the
// name has gone to another object.
func deletions(t *testing.T, open opens) {
	s := open(t)
	tombstone := gone("name", 1)
	tombstone.UID, tombstone.Object, tombstone.Tombstone, tombstone.Snapshot, tombstone.Sequence = "ghost", nil, true, true, 5
	scoped := &pipeline.Change{
		Key: pipeline.Key{Cluster: "alpha", Resource: "clusterroles.rbac.authorization.k8s.io", Name: "system:node"}, Origin: clusterRoles,
		Op: pipeline.Deleted, UID: "r", Tombstone: true, Observed: time.Unix(1e9, 0).UTC(), Sequence: 7,
	}
	batch := []*pipeline.Change{state("seen", 1), gone("seen", 2), tombstone, state("name", 1), scoped, state("again", 1), ghost("again", 2), state("again", 2)}
	write(t, s, batch...)
	s.check(t, batch)
}

func order(t *testing.T, open opens) {
	s := open(t)
	var all []*pipeline.Change
	for v := 1; v <= 60; {
		var batch []*pipeline.Change
		for range 1 + v%4 {
			batch = append(batch, state("a", v), state("b", v), state("c", v))
			v++
		}
		write(t, s, batch...)
		all = append(all, batch...)
	}
	s.check(t, all)
}

func emptyBatch(t *testing.T, open opens) {
	s := open(t)
	write(t, s)
	s.check(t, nil)
}

// sized returns version 1 of an object of about so many bytes.
func sized(name string, bytes int) *pipeline.Change {
	c := state(name, 1)
	c.Object = []byte(`{"data":{"k":"` + strings.Repeat("0123456789abcdef", bytes/16) + `"}}`)
	return c
}

// bigObjects are of a size that every destination takes.
func bigObjects(t *testing.T, open opens) {
	s := open(t)
	batch := []*pipeline.Change{state("before", 1), sized("big", 256<<10), state("after", 1)}
	write(t, s, batch...)
	s.check(t, batch)
}

// hugeObjects are as large as a member can make them. What is too large for the
// destination is refused for good, and nothing else.
func hugeObjects(t *testing.T, open opens) {
	s := open(t)
	batch := []*pipeline.Change{state("before", 1), sized("large", 1<<20), sized("huge", 16<<20), state("after", 1)}
	accepted := deliver(t, s, batch...)
	for _, c := range []*pipeline.Change{batch[0], batch[3]} {
		if !slices.Contains(accepted, c) {
			t.Errorf("%s is refused with those that are too large", c.Key)
		}
	}
	s.check(t, accepted)
	more := state("behind", 1)
	write(t, s, more)
	s.check(t, append(accepted, more))
}

func anyNames(t *testing.T, open opens) {
	s := open(t)
	var batch []*pipeline.Change
	for _, name := range []string{
		"名前", "système:rôle", "emoji-🚢", `quo"te\`, "sp ace", " both ends ", "line\u2028end", "new\nline", "..%2e", "a/b", "../..", "*", ">", "$x", "'; --", "-", "=41",
	} {
		c := state(name, 1)
		c.Object = fmt.Appendf(nil, "{\n\t\"metadata\": {\"name\": %q}\r\n}", "名前\u2028")
		batch = append(batch, c)
	}
	write(t, s, batch...)
	s.check(t, batch)
}

// anyTexts are what JSON may hold and many destinations cannot: each is accepted, though
// maybe altered, or refused for good, and nothing else is.
func anyTexts(t *testing.T, open opens) {
	for name, object := range map[string]string{
		"NUL":              `{"data":{"k":"\u0000"}}`,
		"escaped NUL":      `{"data":{"k":"\\u0000"}}`,
		"lone surrogate":   `{"data":{"k":"\ud800"}}`,
		"huge number":      `{"data":1e200000}`,
		"deep":             `{"data":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
		"a member twice":   `{"data":1,"data":2}`,
		"an empty member":  `{"":1}`,
		"no object at all": `null`,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			c := state("odd", 1)
			c.Object = []byte(object)
			before, after := state("before", 1), state("after", 1)
			accepted := deliver(t, s, before, c, after)
			if !slices.Contains(accepted, before) || !slices.Contains(accepted, after) {
				t.Errorf("accepted: %d, want the others to be", len(accepted))
			}
			// It makes room for what can be read, which must be accepted.
			next := state("odd", 2)
			write(t, s, next)
			rest := slices.DeleteFunc(slices.Clone(accepted), func(a *pipeline.Change) bool { return a == c })
			if len(rest) == len(accepted) {
				s.check(t, append(rest, next))
			}
		})
	}
}

func nothingIsKept(t *testing.T, open opens) {
	s := open(t)
	batch := []*pipeline.Change{state("a", 1), state("b", 1)}
	written := []*pipeline.Change{state("a", 1), state("b", 1)}
	write(t, s, batch...)
	for i, c := range batch {
		for j := range c.Object {
			c.Object[j] = 'X'
		}
		*c = pipeline.Change{}
		batch[i] = nil
	}
	write(t, s, state("c", 1))
	s.check(t, append(written, state("c", 1)))
}

// endedContext writes with a context that has ended. The change may have arrived
// nevertheless, so it is written again, as the batcher does.
func endedContext(t *testing.T, open opens) {
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := state("a", 1)
	if err := s.Write(ctx, []*pipeline.Change{a}); err != nil {
		write(t, s, a)
	}
	write(t, s, state("b", 1))
	s.check(t, []*pipeline.Change{a, state("b", 1)})
}

// cancelledWrite cancels writes at any moment and writes again what was not
// accepted, as the batcher does.
func cancelledWrite(t *testing.T, open opens) {
	s := open(t)
	var all []*pipeline.Change
	for v := range 50 {
		batch := []*pipeline.Change{state("a", 2*v+1), state("b", v+1), state("a", 2*v+2)}
		all = append(all, batch...)
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		err := s.Write(ctx, batch)
		cancel()
		for err != nil {
			if partial, ok := errors.AsType[*pipeline.BatchError](err); ok {
				batch = again(t, batch, partial)
			}
			err = s.Write(t.Context(), batch)
		}
	}
	s.check(t, all)
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
