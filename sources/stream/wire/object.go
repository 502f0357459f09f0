package wire

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

// Copying says what of an object is copied, and how many bytes the copy takes.
type Copying struct {
	Metadata bool
	Size     int
}

// Whatever encodes the metadata of a Secret again writes some characters in six.
const secretGrowth = 6

// MetadataOf is what CopyMetadata copies.
func MetadataOf(f *Frame, secret bool) Copying {
	size := len(MetadataOnly) + len(f.Meta) - (f.cutTo - f.cutFrom) + 1
	if secret {
		size *= secretGrowth
	}
	return Copying{Metadata: true, Size: BufferSize(size)}
}

// ObjectOf is what CopyObject copies.
func ObjectOf(f *Frame, gvk schema.GroupVersionKind) Copying {
	size := len(f.Object) - (f.cutTo - f.cutFrom)
	if !f.HasKind || !f.HasAPIVersion {
		apiVersion, kind := gvk.ToAPIVersionAndKind()
		size += len(`"apiVersion":"","kind":"",`) + len(apiVersion) + len(kind) + 1
	}
	return Copying{Size: BufferSize(size)}
}

// CopyObject returns a copy of f's object in b, the scanned bytes, without
// managedFields. An item of a list gets the apiVersion and kind that lists
// leave out.
func CopyObject(to *Buffers, b []byte, f *Frame, gvk schema.GroupVersionKind) []byte {
	start, end := f.ObjectAt, f.ObjectAt+len(f.Object)
	size := len(f.Object) - (f.cutTo - f.cutFrom)
	if f.HasKind && f.HasAPIVersion {
		object := to.Get(size)
		return appendCut(object, b, start, end, f)
	}
	apiVersion, kind := gvk.ToAPIVersionAndKind()
	object := to.Get(size + len(`"apiVersion":"","kind":"",`) + len(apiVersion) + len(kind) + 1)
	object = append(object, '{')
	if !f.HasAPIVersion {
		object = append(jsontext.AppendString(append(object, `"apiVersion":`...), apiVersion), ',')
	}
	if !f.HasKind {
		object = append(jsontext.AppendString(append(object, `"kind":`...), kind), ',')
	}
	// An object that is identified has a metadata member: what follows the
	// brace is never the end of the object.
	return appendCut(object, b, start+1, end, f)
}

// MetadataOnly is how an object starts that consists of its metadata: in the
// words of the API, not as something of our own.
const MetadataOnly = `{"kind":"` + PartialKind + `","apiVersion":"meta.k8s.io/v1","metadata":`

// CopyMetadata returns f's object reduced to its metadata, without
// managedFields.
func CopyMetadata(to *Buffers, b []byte, f *Frame) []byte {
	object := to.Get(len(MetadataOnly) + len(f.Meta) - (f.cutTo - f.cutFrom) + 1)
	object = append(object, MetadataOnly...)
	object = appendCut(object, b, f.MetaAt, f.MetaAt+len(f.Meta), f)
	return append(object, '}')
}

// appendCut appends b[from:to] without managedFields to object.
func appendCut(object, b []byte, from, to int, f *Frame) []byte {
	head, tail := f.Without(b, from, to)
	return append(append(object, head...), tail...)
}

// WithoutLastApplied returns an object that consists of its metadata without
// the annotation of kubectl apply. It decodes and encodes again, because the
// scanner does not know how the annotation may be spelled.
func WithoutLastApplied(object []byte) ([]byte, error) {
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
