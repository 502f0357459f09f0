package sinks

import (
	"context"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// Held is what a destination has of one object.
type Held struct {
	Key             pipeline.Key
	UID             types.UID
	ResourceVersion string
	// Term and Sequence are those of the change that brought it there.
	Term, Sequence uint64
	// Object is the object as JSON, or nil if the destination does not give it back.
	Object []byte
}

// ReadBacker is a sink whose destination can tell what it has, so that it can be
// compared with the clusters.
//
// ReadBack calls yield with each object of one cluster and one resource, written as
// in [pipeline.Key], that exists as far as the destination knows, in any order. What is
// deleted is left out. It ends with the first error of yield, and soon after ctx does.
// It changes nothing, and may be called while Write is under way: of an object that is
// being written it yields the old or the new state. Object is valid until yield returns.
type ReadBacker interface {
	ReadBack(ctx context.Context, cluster, resource string, yield func(Held) error) error
}
