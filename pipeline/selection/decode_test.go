package selection

import (
	"bytes"
	"encoding/json"
)

// decode is how references read an object.
func decode(text []byte) (object map[string]any) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	_ = d.Decode(&object)
	return object
}
