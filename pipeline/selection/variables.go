package selection

import (
	"encoding/json"
	"strconv"
)

// variables are what expressions see of one cluster.
type variables struct{ cluster map[string]any }

func newVariables(c Cluster) *variables {
	labels := c.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return &variables{map[string]any{"name": c.Name, "uid": c.UID, "labels": labels}}
}

// of returns the variables for one object.
func (v *variables) of(p *Program, o Object) map[string]any {
	object := decode(o.JSON)
	if object == nil {
		object = map[string]any{}
	}
	if metadata, ok := object["metadata"].(map[string]any); ok {
		delete(metadata, "managedFields")
	}
	if p.resource.Kind != "" {
		object["apiVersion"] = p.resource.GroupVersionResource.GroupVersion().String()
		object["kind"] = p.resource.Kind
	}
	return map[string]any{
		"object":  numbers(object),
		"cluster": v.cluster,
		"change":  map[string]any{"op": o.Op.String(), "snapshot": o.Snapshot},
	}
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
