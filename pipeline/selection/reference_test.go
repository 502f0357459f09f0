package selection

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// trial is an expression in three forms that have to say the same.
type trial struct {
	resource Resource
	cluster  Cluster
	program  *Program
	metered  *expression // with all costs counted
	decoded  cel.Program // of objects that are decoded
}

func newTrial(t testing.TB, text string) *trial {
	t.Helper()
	try := &trial{
		resource: Resource{GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Kind: "Pod", Namespaced: true},
		cluster:  Cluster{Name: "a", UID: "u", Labels: map[string]string{"tier": "prod"}},
	}
	rules, err := Parse(Texts{Where: []string{"pods: " + text}}, ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	try.program = rules.For(try.resource, try.cluster)
	env, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		t.Fatal(issues.Err())
	}
	if try.decoded, err = env.Program(checked); err != nil {
		t.Fatal(err)
	}
	metered := *try.program.where[0]
	metered.program.upTo = -1
	if metered.program.counted, err = planMetered(env, checked); err != nil {
		t.Fatal(err)
	}
	try.metered = &metered
	return try
}

// matchMetered is Match with all costs counted.
func (try *trial) matchMetered(t *testing.T, o Object) (bool, error) {
	t.Helper()
	v := try.program.vars.begin(o)
	defer v.end()
	selected, err := try.metered.match(v)
	if err == nil && v.cost == 0 && strings.Contains(try.metered.text, "object") {
		t.Errorf("%s: nothing was counted", try.metered.text)
	}
	return selected, err
}

// matchDecoded is what Match says, by an object that is decoded.
func (try *trial) matchDecoded(o Object) (any, error) {
	r, c := try.resource, try.cluster
	object := decode(o.JSON)
	if object == nil {
		object = map[string]any{}
	}
	if metadata, ok := object["metadata"].(map[string]any); ok {
		delete(metadata, "managedFields")
	}
	if r.Kind != "" {
		object["apiVersion"] = r.GroupVersionResource.GroupVersion().String()
		object["kind"] = r.Kind
	}
	if o.Metadata {
		for name := range object {
			if !slices.Contains([]string{"apiVersion", "kind", "metadata"}, name) {
				delete(object, name)
			}
		}
	}
	out, _, err := try.decoded.Eval(map[string]any{
		"object":  numbers(object),
		"cluster": map[string]any{"name": c.Name, "uid": c.UID, "labels": c.Labels},
		"change":  map[string]any{"op": o.Op.String(), "snapshot": o.Snapshot},
	})
	if err != nil {
		return nil, err
	}
	if _, isBool := out.Value().(bool); !isBool {
		return nil, errNoBool
	}
	return out.Value(), nil
}

// numbers makes of each number what expressions take it for: an int, if it is whole and
// has no fraction or exponent, else a double.
func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = numbers(member)
		}
	case []any:
		for i, element := range v {
			v[i] = numbers(element)
		}
	case json.Number:
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return n
		}
		f, _ := strconv.ParseFloat(string(v), 64)
		return f
	}
	return v
}
