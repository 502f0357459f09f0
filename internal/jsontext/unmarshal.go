package jsontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Unmarshal decodes text, which is one JSON object in UTF-8 and nothing behind
// it, as json.Unmarshal does. It refuses what decoders might read differently:
// a member that stands there twice, and names that are not made of lower-case
// letters and digits alone, as attributes of CloudEvents are; encoding/json
// would take "Cluster" for "cluster". What the members hold is not looked into.
func Unmarshal(text []byte, v any) error {
	if !utf8.Valid(text) {
		return errors.New("it is not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil {
		return fmt.Errorf("it is not JSON: %w", err)
	} else if open != json.Delim('{') {
		return errors.New("it is no JSON object")
	}
	seen := map[string]struct{}{}
	var value json.RawMessage
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return fmt.Errorf("it is not JSON: %w", err)
		}
		name, _ := token.(string) // of an object's members
		if !isAttribute(name) {
			return fmt.Errorf("its member %.40q is not called as attributes are, by lower-case letters and digits", name)
		}
		if _, again := seen[name]; again {
			return fmt.Errorf("%q stands in it twice", name)
		}
		seen[name] = struct{}{}
		if err := d.Decode(&value); err != nil {
			return fmt.Errorf("it is not JSON: %w", err)
		}
	}
	return json.Unmarshal(text, v) // sees to the end, too
}

// isAttribute reports whether CloudEvents allow an attribute of that name.
func isAttribute(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
