package sinktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

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
