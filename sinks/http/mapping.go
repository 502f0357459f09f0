package httpsink

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/fairlead-dev/fairlead/sinks"
)

// mapping is that of an index of Elasticsearch or OpenSearch.
type mapping struct {
	field
	Runtime   map[string]json.RawMessage
	Templates json.RawMessage `json:"dynamic_templates"`
}

// field is a part of a mapping. Dynamic and Enabled are true, false, or texts.
type field struct {
	Type             string
	Dynamic, Enabled any
	IgnoreMalformed  any `json:"ignore_malformed"`
	Properties       map[string]field
}

var (
	// always are the fields that each document has.
	always = []string{"id", "op", "cluster", "resource", "api_version", "kind", "name", "object"}
	// often are those that many have. The others are of deletions, which have no document.
	often = []string{"cluster_uid", "namespace", "uid", "resource_version", "term", "sequence", "snapshot", "@timestamp"}
	// textual are types of a field that take no object, whatever else the mapping says.
	textual = []string{"text", "match_only_text", "keyword", "constant_keyword", "wildcard", "version", "binary"}
	// exact are types that take none unless they are told to leave it out.
	exact = []string{
		"long", "integer", "short", "byte", "double", "float", "half_float", "scaled_float", "unsigned_long", "date", "date_nanos", "boolean", "ip",
	}
)

// judge returns an error if the mapping refuses every document, and a caution if it is likely to
// refuse many. What it does not know is in order.
func (m *mapping) judge(index string) error {
	const mend = "; map object with \"enabled\": false, as docs/sinks/http.md shows"
	if fmt.Sprint(m.Enabled) == "false" {
		return nil // it keeps all as it is
	}
	object, mapped := m.Properties["object"]
	switch {
	case slices.Contains(textual, object.Type), slices.Contains(exact, object.Type) && object.IgnoreMalformed == nil:
		return fmt.Errorf("the mapping of index %s has the type %s for the field object, so that it refuses every document%s", index, object.Type, mend)
	case object.Type != "" && object.Type != "object" && object.Type != "nested":
		mapped = true // flattened, flat_object: it does not look within
		object.Enabled = false
	}
	dynamic := dynamics(m.Dynamic, "true")
	switch lacking := m.lacking; {
	case dynamic == "strict" && lacking(always) != "":
		return fmt.Errorf("the mapping of index %s is strict and has no field %s, so that it refuses every document; add the fields of docs/sinks/http.md, or set dynamic to false", index, lacking(always))
	case dynamic == "strict" && lacking(often) != "":
		return sinks.Caution(fmt.Errorf("the mapping of index %s is strict and has no field %s, so that it refuses documents that have it; add the fields of docs/sinks/http.md, or set dynamic to false", index, lacking(often)))
	case len(m.Templates) > 0 && string(m.Templates) != "[]" && string(m.Templates) != "null":
		return nil // they say what becomes of object
	case !mapped && dynamic == "true":
		return sinks.Caution(errors.New("the mapping of index " + index + " has no field object: the server makes one by the first objects, and refuses many of those that follow" + mend))
	}
	if own := dynamics(object.Dynamic, dynamic); mapped && fmt.Sprint(object.Enabled) != "false" && (own == "true" || own == "strict") {
		return sinks.Caution(errors.New("the mapping of index " + index + " has fields for what is within object, and refuses objects that do not fit" + mend))
	}
	return nil
}

// dynamics is a value of dynamic as a text, and what stands for none.
func dynamics(value any, none string) string {
	if value == nil {
		return none
	}
	return fmt.Sprint(value)
}

// lacking returns the first of some fields that the mapping does not have; empty: it has all.
func (m *mapping) lacking(names []string) string {
	for _, name := range names {
		_, known := m.Properties[name]
		if _, computed := m.Runtime[name]; !known && !computed {
			return name
		}
	}
	return ""
}
