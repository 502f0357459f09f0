package stream

import (
	"cmp"
	"context"
	"errors"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// inventory is what a cluster serves, as far as wildcards are concerned.
type inventory struct {
	served []resource // what can be followed, in the order of compareNames
	unfit  []LeftOut  // what cannot
	unread []string   // the groups that could not be read, sorted
	// named is what the specs that name a resource mean, under the one name of its
	// objects.
	named map[schema.GroupResource]bool
}

// Reasons of LeftOut.
const (
	cannotBeWatched = "it cannot be listed and watched"
	badResourceName = "its name is not that of a resource of Kubernetes"
)

// inventory returns what there is of all groups.
func (c *catalog) inventory() *inventory {
	every := func(string) bool { return true }
	served, _ := c.resources(every, "", func(metav1.APIResource) bool { return true })
	slices.SortFunc(served, func(a, b resource) int { return compareNames(a.name(), b.name()) })
	inv := &inventory{served: served, named: map[schema.GroupResource]bool{}}
	seen := map[schema.GroupResource]bool{}
	for _, r := range served {
		seen[r.name()] = true
	}
	for gv, list := range c.lists {
		for _, r := range list {
			gr := gv.WithResource(r.Name).GroupResource()
			if isSubresource(r) || seen[gr] {
				continue
			}
			seen[gr] = true
			left := LeftOut{gr.String(), cannotBeWatched}
			if checkNames(gv.WithResource(r.Name), r.Kind) != nil {
				left = LeftOut{printable(gr.String()), badResourceName}
			}
			inv.unfit = append(inv.unfit, left)
		}
	}
	slices.SortFunc(inv.unfit, func(a, b LeftOut) int { return cmp.Compare(a.Resource, b.Resource) })
	for gv := range c.failed {
		if checkNames(gv.WithResource("x"), "x") == nil && !slices.Contains(inv.unread, gv.Group) {
			inv.unread = append(inv.unread, gv.Group)
		}
	}
	slices.Sort(inv.unread)
	return inv
}

// compareNames orders resources: the core group first.
func compareNames(a, b schema.GroupResource) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource))
}

// setNamed notes what the specs mean that name a resource. It fails if the cluster does
// not tell.
func (inv *inventory) setNamed(ctx context.Context, api *served, known remembered, specs []Spec) error {
	for _, spec := range specs {
		// The streams of a member have a name each.
		inv.named[schema.GroupResource{Group: spec.Group, Resource: spec.Resource}] = true
		r, err := known.find(ctx, api, spec)
		if gone, ok := errors.AsType[*goneError](err); ok {
			r, err = gone.was, nil
		}
		switch {
		case errors.Is(err, errDiscovery):
			return err
		case err == nil:
			inv.named[objectsOf(r.name())] = true
		}
	}
	return nil
}

// has reports whether a resource can be followed.
func (inv *inventory) has(gr schema.GroupResource) bool {
	_, ok := slices.BinarySearchFunc(inv.served, gr, func(r resource, gr schema.GroupResource) int { return compareNames(r.name(), gr) })
	return ok
}

// printable returns a name that a member has made up as far as it may be shown.
func printable(name string) string {
	const most = 63
	clean := make([]rune, 0, most)
	for _, r := range name {
		if len(clean) == most {
			break
		}
		if r <= ' ' || r >= 0x7f {
			r = '?'
		}
		clean = append(clean, r)
	}
	return string(clean)
}
