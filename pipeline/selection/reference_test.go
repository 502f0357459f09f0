package selection

import (
	"encoding/json"
	"strconv"
	"testing"
)

// matchDecoded is what Match says of one expression, by an object that is decoded.
func matchDecoded(t *testing.T, r Resource, c Cluster, text string, o Object) (any, error) {
	t.Helper()
	env, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		t.Fatal(issues.Err())
	}
	reference, err := env.Program(checked)
	if err != nil {
		t.Fatal(err)
	}
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
		object = map[string]any{"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": object["metadata"]}
	}
	out, _, err := reference.Eval(map[string]any{
		"object":  numbers(object),
		"cluster": map[string]any{"name": c.Name, "uid": c.UID, "labels": c.Labels},
		"change":  map[string]any{"op": o.Op.String(), "snapshot": o.Snapshot},
	})
	if err != nil {
		return nil, err
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
