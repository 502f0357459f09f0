package configfile

import (
	"encoding/json"
	"strings"

	"github.com/spf13/pflag"
)

// Schema returns a JSON Schema (2020-12) of the documents, for editors. A value may be
// given as the text of the flag, or as the YAML value that has this text.
func (f *Format) Schema(id string) ([]byte, error) {
	properties := map[string]any{
		"apiVersion": map[string]any{"const": f.APIVersion},
		"kind":       map[string]any{"const": f.Kind},
	}
	for key, flag := range f.flags() {
		p := map[string]any{"description": strings.ReplaceAll(flag.Usage, "\n", " ")}
		switch flag.Value.Type() {
		case "stringArray":
			p["type"], p["minItems"], p["items"] = "array", 1, f.item(flag)
		case "bool":
			p["type"] = "boolean"
		case "int":
			p["type"] = "integer"
		case "float64":
			p["type"] = "number"
		case "bytes":
			p["type"] = []string{"string", "integer"}
		default:
			p["type"] = "string"
		}
		properties[key] = p
	}
	return json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": id, "title": f.Kind + " of " + f.APIVersion,
		"type": "object", "required": []string{"apiVersion", "kind"}, "additionalProperties": false, "properties": properties,
	}, "", "  ")
}

// item is the schema of an item of a flag's list.
func (f *Format) item(flag *pflag.Flag) map[string]any {
	form, ok := f.Items[flag.Name]
	if !ok {
		return map[string]any{"type": "string"}
	}
	scalar := map[string]any{"type": []string{"string", "number", "boolean"}}
	several := map[string]any{"oneOf": []any{scalar, map[string]any{"type": "array", "items": scalar}}}
	properties := map[string]any{form.Text: map[string]any{"type": "string", "description": form.Meaning}}
	m := map[string]any{"type": "object", "required": []string{form.Text}, "properties": properties, "additionalProperties": several}
	if len(form.Known) > 0 {
		for _, key := range form.Known {
			properties[key] = several
		}
		m["additionalProperties"] = false
	}
	return map[string]any{"oneOf": []any{map[string]any{"type": "string"}, m}}
}
