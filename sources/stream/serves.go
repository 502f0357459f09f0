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

// Expand returns the streams that wildcards come to in a member that nothing is known of, beside
// those of the specs that name a resource: what a Survey finds there at first. What is excluded is
// not among them, and a member has most of them at most, those of named counted in; 0 is no bound.
// The specs have no version: Resolve finds it. It fails if the member could not be asked.
func (c *Catalog) Expand(ctx context.Context, named, wildcards, excluded []Spec, most int) ([]Followed, error) {
	all, err := c.served.everything(ctx)
	if err != nil {
		return nil, err
	}
	inv := all.inventory()
	if err := inv.setNamed(ctx, c.served, nil, named); err != nil {
		return nil, err
	}
	follow, _ := (&planner{wildcards: wildcards, named: named, excluded: excluded, max: most, inventory: inv}).plan()
	return follow, nil
}
