package stream

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// Catalog tells what specs stand for in one member. One goroutine at a time uses it.
type Catalog struct{ served *served }

// NewCatalog returns what asks a session's discovery. It asks nothing yet.
func NewCatalog(s *member.Session) *Catalog { return &Catalog{newServed(s.Discovery)} }

// ErrNotServed says that a member does not serve what a spec names, or not as it names it:
// the name may also be ambiguous there.
var ErrNotServed = errors.New("not served")

// Resolve finds the resource that a spec stands for in a member that nothing is known of.
// The spec must be no wildcard. The error wraps ErrNotServed unless the member could not
// be asked.
func (c *Catalog) Resolve(ctx context.Context, spec Spec) (schema.GroupVersionResource, error) {
	found, err := c.served.resolve(ctx, spec)
	if errors.Is(err, errNoResource) || errors.Is(err, errAmbiguous) {
		err = errors.Join(ErrNotServed, err)
	}
	return found.gvr, err
}
