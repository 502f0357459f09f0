package stream

import (
	"bytes"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
)

// lastApplied is where kubectl apply keeps all that it was given: for a Secret
// that includes the values.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// copying says what of an object is copied, and how many bytes the copy takes.
type copying struct {
	metadata bool
	size     int
}

// Whatever encodes the metadata of a Secret again writes some characters in six.
const secretGrowth = 6

// metadataOf is what copyMetadata copies.
func metadataOf(f *frame, secret bool) copying {
	size := len(metadataOnly) + len(f.meta) - (f.cutTo - f.cutFrom) + 1
	if secret {
		size *= secretGrowth
	}
	return copying{metadata: true, size: bufferSize(size)}
}

// objectOf is what copyObject copies.
func objectOf(f *frame, gvk schema.GroupVersionKind) copying {
	size := len(f.object) - (f.cutTo - f.cutFrom)
	if !f.hasKind || !f.hasAPIVersion {
		apiVersion, kind := gvk.ToAPIVersionAndKind()
		size += len(`"apiVersion":"","kind":"",`) + len(apiVersion) + len(kind) + 1
	}
	return copying{size: bufferSize(size)}
}

// copyObject returns a copy of f's object in b, the scanned bytes, without
// managedFields. An item of a list gets the apiVersion and kind that lists
// leave out.
func copyObject(to *Buffers, b []byte, f *frame, gvk schema.GroupVersionKind) []byte {
	start, end := f.objectAt, f.objectAt+len(f.object)
	size := len(f.object) - (f.cutTo - f.cutFrom)
	if f.hasKind && f.hasAPIVersion {
		object := to.get(size)
		return appendCut(object, b, start, end, f)
	}
	apiVersion, kind := gvk.ToAPIVersionAndKind()
	object := to.get(size + len(`"apiVersion":"","kind":"",`) + len(apiVersion) + len(kind) + 1)
	object = append(object, '{')
	if !f.hasAPIVersion {
		object = append(jsontext.AppendString(append(object, `"apiVersion":`...), apiVersion), ',')
	}
	if !f.hasKind {
		object = append(jsontext.AppendString(append(object, `"kind":`...), kind), ',')
	}
	// An object that is identified has a metadata member: what follows the
	// brace is never the end of the object.
	return appendCut(object, b, start+1, end, f)
}

// metadataOnly is how an object starts that consists of its metadata: in the
// words of the API, not as something of our own.
const metadataOnly = `{"kind":"` + partialKind + `","apiVersion":"meta.k8s.io/v1","metadata":`

// copyMetadata returns f's object reduced to its metadata, without
// managedFields.
func copyMetadata(to *Buffers, b []byte, f *frame) []byte {
	object := to.get(len(metadataOnly) + len(f.meta) - (f.cutTo - f.cutFrom) + 1)
	object = append(object, metadataOnly...)
	object = appendCut(object, b, f.metaAt, f.metaAt+len(f.meta), f)
	return append(object, '}')
}

// appendCut appends b[from:to] without managedFields to object.
func appendCut(object, b []byte, from, to int, f *frame) []byte {
	head, tail := f.without(b, from, to)
	return append(append(object, head...), tail...)
}

// withoutLastApplied returns an object that consists of its metadata without
// the annotation of kubectl apply. It decodes and encodes again, because the
// scanner does not know how the annotation may be spelled.
func withoutLastApplied(object []byte) ([]byte, error) {
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		return nil, fmt.Errorf("decode metadata: %w", err)
	}
	if metadata, ok := fields["metadata"].(map[string]any); ok {
		if annotations, ok := metadata["annotations"].(map[string]any); ok {
			delete(annotations, lastApplied)
			if len(annotations) == 0 {
				delete(metadata, "annotations")
			}
		}
	}
	return json.Marshal(fields)
}
