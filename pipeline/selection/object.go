package selection

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Resource is what objects are of.
type Resource struct {
	GroupVersionResource schema.GroupVersionResource
	Kind                 string // empty: each object says its apiVersion and kind itself
	Namespaced           bool
}

// name is the resource's name as rules have it: plural[.group].
func (r Resource) name() string {
	return schema.GroupResource{Group: r.GroupVersionResource.Group, Resource: r.GroupVersionResource.Resource}.String()
}

// Cluster is where objects are.
type Cluster struct {
	Name   string
	UID    string
	Labels map[string]string // not changed by anybody once it is passed
}

// Op is how a state of an object came to be known.
type Op uint8

// The operations. An object that a list has is Added.
const (
	Added Op = iota + 1
	Updated
	Deleted
)

// String returns the word that expressions have for it: "added", "updated", "deleted".
func (o Op) String() string {
	switch o {
	case Added:
		return "added"
	case Updated:
		return "updated"
	case Deleted:
		return "deleted"
	}
	return fmt.Sprintf("op(%d)", uint8(o))
}

// Object is one state of one object.
type Object struct {
	// JSON is valid JSON as the API server sent it. It may have managedFields, and an
	// item of a list may lack apiVersion and kind. It is read during the call only.
	JSON []byte
	// Metadata says that only the metadata is there. Whatever else JSON may have is not
	// looked at.
	Metadata bool
	Op       Op
	Snapshot bool // the state was read from a list rather than told by a watch
}
