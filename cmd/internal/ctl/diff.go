package ctl

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// Bounds of lastStates, and of what it says of one object.
const (
	mostStates     = 10_000
	mostStateBytes = 64 << 20
	mostFields     = 20
)

// lastStates has the last state of each object that was seen, as long as there is room; then
// the one that was seen first is forgotten.
type lastStates struct {
	states map[stateKey]json.RawMessage
	order  []stateKey // in which they came
	bytes  int
}

// stateKey names an object on its way to one sink, which may have a form of its own.
type stateKey struct{ route, cluster, resource, namespace, name string }

// compare returns the fields of an object that differ from the state before, each on a line,
// and keeps it.
func (l *lastStates) compare(a *api.Answer) (lines []string) {
	key := stateKey{a.Route, a.Cluster, a.Resource, a.Namespace, a.Name}
	before, seen := l.states[key]
	switch {
	case a.Op == "deleted":
		l.forget(key)
		return nil
	case a.Object == nil:
		return nil
	case !seen:
		lines = []string{"(first seen)"}
	default:
		if lines = differences(before, a.Object); len(lines) == 0 {
			lines = []string{"(the same, but for its version)"}
		}
	}
	l.keep(key, a.Object)
	return lines
}

func (l *lastStates) keep(key stateKey, object json.RawMessage) {
	l.forget(key)
	if l.states == nil {
		l.states = map[stateKey]json.RawMessage{}
	}
	l.states[key] = bytes.Clone(object)
	l.order = append(l.order, key)
	l.bytes += len(object)
	for len(l.order) > mostStates || l.bytes > mostStateBytes {
		l.forget(l.order[0])
	}
}

func (l *lastStates) forget(key stateKey) {
	if state, ok := l.states[key]; ok {
		l.bytes -= len(state)
		delete(l.states, key)
		if i := slices.Index(l.order, key); i >= 0 {
			l.order = slices.Delete(l.order, i, i+1)
		}
	}
}

// differences returns the fields that differ between two objects in JSON, without the
// versions, which always do.
func differences(before, after json.RawMessage) (lines []string) {
	var a, b any
	if decode(before, &a) != nil || decode(after, &b) != nil {
		return []string{"(cannot be compared)"}
	}
	more := 0
	compare("", a, b, func(path, change string) {
		switch {
		case path == ".metadata.resourceVersion" || path == ".metadata.generation":
		case len(lines) < mostFields:
			lines = append(lines, Printable(path)+": "+change)
		default:
			more++
		}
	})
	if more > 0 {
		lines = append(lines, fmt.Sprintf("and %d fields more", more))
	}
	return lines
}

// decode keeps numbers as they are written.
func decode(text []byte, to *any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(to)
}

// compare calls differ with each field that differs. Arrays are compared by position.
func compare(path string, a, b any, differ func(path, change string)) {
	switch a := a.(type) {
	case map[string]any:
		if b, ok := b.(map[string]any); ok {
			for _, name := range slices.Sorted(maps.Keys(union(a, b))) {
				field(path+"."+name, a, b, name, differ)
			}
			return
		}
	case []any:
		if b, ok := b.([]any); ok {
			for i := range max(len(a), len(b)) {
				at := path + "[" + strconv.Itoa(i) + "]"
				switch {
				case i >= len(a):
					differ(at, "+ "+inline(b[i]))
				case i >= len(b):
					differ(at, "- "+inline(a[i]))
				default:
					compare(at, a[i], b[i], differ)
				}
			}
			return
		}
	default:
		if a == b { // neither is a map or an array then
			return
		}
	}
	differ(path, inline(a)+" -> "+inline(b))
}

func field(path string, a, b map[string]any, name string, differ func(path, change string)) {
	before, was := a[name]
	after, is := b[name]
	switch {
	case !was:
		differ(path, "+ "+inline(after))
	case !is:
		differ(path, "- "+inline(before))
	default:
		compare(path, before, after, differ)
	}
}

func union(a, b map[string]any) map[string]struct{} {
	all := map[string]struct{}{}
	for name := range a {
		all[name] = struct{}{}
	}
	for name := range b {
		all[name] = struct{}{}
	}
	return all
}

// inline returns a value for a line.
func inline(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return cmp.Or(Printable(string(text)), "?")
}
