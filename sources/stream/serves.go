package stream

import (
	"context"
	"errors"
	"strings"

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
// The specs have no version: Resolve finds it. It also returns how much is not among them that the
// wildcards may stand for: resources for which there is no place, and groups that the member
// serves and could not tell of, one each. It fails if the member could not be asked.
func (c *Catalog) Expand(ctx context.Context, named, wildcards, excluded []Spec, most int) (follow []Followed, missing int, err error) {
	all, err := c.served.everything(ctx)
	if err != nil {
		return nil, 0, err
	}
	inv := all.inventory()
	if err := inv.setNamed(ctx, c.served, nil, named); err != nil {
		return nil, 0, err
	}
	p := &planner{wildcards: wildcards, named: named, excluded: excluded, max: most, inventory: inv}
	follow, left := p.plan()
	for _, l := range left {
		if strings.HasSuffix(l.Reason, noPlace) {
			missing++
		}
	}
	for _, group := range inv.unread {
		if w := standingFor(wildcards, schema.GroupResource{Group: group}); len(w) > 0 && isRefused(schema.GroupResource{Group: group}, nil, w[0], excluded) == "" {
			missing++
		}
	}
	return follow, missing, nil
}
