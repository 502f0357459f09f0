package selection

import (
	"bytes"
	"encoding/json"
)

// decode is what variables read until they read in place.
func decode(text []byte) (object map[string]any) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	_ = d.Decode(&object)
	return object
}
