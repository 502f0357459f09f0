package selection

import (
	"sync"

	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/internal/jsonwalk"
)

// variables are what the expressions of a program see beside the object.
type variables struct {
	cluster     ref.Val
	identity    []member // apiVersion and kind of all objects, if they are known
	evaluations sync.Pool
}

func newVariables(r Resource, c Cluster) *variables {
	labels := c.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	v := &variables{cluster: adapter.NativeToValue(map[string]any{"name": c.Name, "uid": c.UID, "labels": labels})}
	if r.Kind != "" {
		apiVersion, kind := r.GroupVersionResource.GroupVersion().String(), r.Kind
		v.identity = []member{
			{key: []byte("apiVersion"), value: jsonwalk.Value(jsontext.AppendString(nil, apiVersion))},
			{key: []byte("kind"), value: jsonwalk.Value(jsontext.AppendString(nil, kind))},
		}
	}
	v.evaluations.New = func() any { return &evaluation{variables: v} }
	return v
}

// changes are the values of the variable change.
var changes = func() (all [Deleted + 1][2]ref.Val) {
	for op := range all {
		for i, snapshot := range []bool{false, true} {
			all[op][i] = adapter.NativeToValue(map[string]any{"op": Op(op).String(), "snapshot": snapshot})
		}
	}
	return all
}()

// evaluation is the variables of one object: a CEL activation, used again for others.
type evaluation struct {
	*variables
	change         ref.Val
	cost           int // so far, if it is counted
	root, metadata object
}

var _ interpreter.Activation = (*evaluation)(nil)

// begin returns the variables of an object, until end is called.
func (v *variables) begin(o Object) *evaluation {
	e := v.evaluations.Get().(*evaluation)
	op := o.Op
	if op > Deleted {
		op = 0
	}
	e.change = changes[op][0]
	if o.Snapshot {
		e.change = changes[op][1]
	}
	root := rootObject
	switch {
	case o.Metadata:
		root = rootOfMetadata
	case len(v.identity) == 0:
		root = anyObject
	}
	e.root = object{json: jsonwalk.At(o.JSON), role: root, metadata: &e.metadata, members: append(e.root.members[:0], v.identity...)}
	e.metadata = object{role: metadataObject, members: e.metadata.members[:0]}
	return e
}

// end gives up the values of the object.
func (e *evaluation) end() {
	clear(e.root.members)
	clear(e.metadata.members)
	e.root = object{members: few(e.root.members)}
	e.metadata = object{members: few(e.metadata.members)}
	e.evaluations.Put(e)
}

// few keeps the memory of members, unless there are more than objects of Kubernetes have.
func few(members []member) []member {
	if cap(members) > manyMembers {
		return nil
	}
	return members[:0]
}

// ResolveName implements interpreter.Activation.
func (e *evaluation) ResolveName(name string) (any, bool) {
	switch name {
	case "object":
		return &e.root, true
	case "cluster":
		return e.cluster, true
	case "change":
		return e.change, true
	case meterName:
		return e, true
	}
	return nil, false
}

// Parent implements interpreter.Activation.
func (e *evaluation) Parent() interpreter.Activation { return nil }
