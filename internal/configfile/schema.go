package configfile

import (
	"encoding/json"
	"strings"

	"github.com/spf13/pflag"
)

// text is the type of a value that a flag reads from its text.
var text = []string{"string", "number"}

// Schema returns a JSON Schema (2020-12) of the documents, for editors. A value may be
// given as the text of the flag, or as the YAML value that has this text.
func (f *Format) Schema(id string) ([]byte, error) {
	properties := map[string]any{
		"apiVersion": map[string]any{"const": f.APIVersion},
		"kind":       map[string]any{"const": f.Kind},
	}
	for key, flag := range f.flags() {
		meaning, _, _ := strings.Cut(flag.Usage, "\n")
		p := map[string]any{"description": meaning, "type": text}
		switch flag.Value.Type() {
		case "stringArray":
			p["type"], p["minItems"], p["items"] = "array", 1, f.item(flag)
		case "bool":
			p["type"] = []string{"boolean", "string"}
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
	scalar := map[string]any{"type": append(text[:len(text):len(text)], "boolean")}
	several := func(meaning string) map[string]any {
		return map[string]any{"description": meaning, "oneOf": []any{scalar, map[string]any{"type": "array", "items": scalar}}}
	}
	properties := map[string]any{form.Text: map[string]any{"type": "string", "description": form.Meaning}}
	for key, meaning := range form.Known {
		properties[key] = several(meaning)
	}
	return map[string]any{"oneOf": []any{map[string]any{"type": "string"}, map[string]any{
		"type": "object", "required": []string{form.Text}, "properties": properties, "additionalProperties": false,
	}}}
}
