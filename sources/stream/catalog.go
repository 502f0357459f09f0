package stream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// errDiscovery is wrapped by errors of discovery itself: what the cluster
// serves has not been told.
var errDiscovery = errors.New("cannot discover what the cluster serves")

// served is one look at what a cluster serves. It asks for no more than the
// questions need, and for nothing twice. It belongs to one goroutine.
type served struct {
	client discovery.DiscoveryInterfaceWithContext
	few    map[schema.GroupVersion]*metav1.APIResourceList // asked for one by one
	all    *catalog                                        // once it was needed
	broken error                                           // why one of few could not be read; it has the server's words
}

func newServed(client discovery.DiscoveryInterface) *served {
	return &served{
		client: discovery.ToDiscoveryInterfaceWithContext(client),
		few:    map[schema.GroupVersion]*metav1.APIResourceList{},
	}
}

// version returns the resources of one version of a group, by the small document
// that tells them. If there is none, only the whole tells why.
func (a *served) version(ctx context.Context, gv schema.GroupVersion) ([]metav1.APIResource, error) {
	if a.all != nil {
		return a.all.lists[gv], nil
	}
	list, ok := a.few[gv]
	if !ok {
		var err error
		list, err = a.client.ServerResourcesForGroupVersionWithContext(ctx, gv.String())
		// 5xx may be that of an API server behind this one. The whole tells.
		code, _ := statusCode(err)
		if err != nil && !apierrors.IsNotFound(err) && code < http.StatusInternalServerError {
			return nil, fmt.Errorf("%w: %s: %w", errDiscovery, gv, err)
		}
		if code >= http.StatusInternalServerError {
			a.broken = fmt.Errorf("%s: %w", gv, err)
		}
		a.few[gv] = list
	}
	if list == nil {
		return nil, nil
	}
	return list.APIResources, nil
}

// everything returns all that the cluster serves.
func (a *served) everything(ctx context.Context) (*catalog, error) {
	if a.all != nil {
		return a.all, nil
	}
	groups, lists, err := a.client.ServerGroupsAndResourcesWithContext(ctx)
	failed, partly := discovery.GroupDiscoveryFailedErrorGroups(err)
	if err != nil && !partly || groups == nil || lists == nil {
		// client-go does not read what the server says of why it does not tell all.
		if _, answered := statusCode(err); answered && a.broken != nil {
			err = a.broken
		}
		return nil, fmt.Errorf("%w: %w", errDiscovery, err)
	}
	a.all = newCatalog(groups, lists, failed)
	return a.all, nil
}

// catalog is all that a cluster serves, as far as it has told.
type catalog struct {
	groups []*metav1.APIGroup // in the server's order
	lists  map[schema.GroupVersion][]metav1.APIResource
	failed map[schema.GroupVersion]error // of which nothing was told
}

func newCatalog(groups []*metav1.APIGroup, lists []*metav1.APIResourceList, failed map[schema.GroupVersion]error) *catalog {
	c := &catalog{groups: groups, lists: map[schema.GroupVersion][]metav1.APIResource{}, failed: failed}
	for _, list := range lists {
		if gv, err := schema.ParseGroupVersion(list.GroupVersion); err == nil {
			c.lists[gv] = list.APIResources
		}
	}
	return c
}

// has reports whether there is a group, whether it could be read or not.
func (c *catalog) has(group string) bool {
	for gv := range c.failed {
		if gv.Group == group {
			return true
		}
	}
	return slices.ContainsFunc(c.groups, func(g *metav1.APIGroup) bool { return g.Name == group })
}

// missed returns why not all groups that are meant could be read; nil if all were.
func (c *catalog) missed(meant func(group string) bool) error {
	failed := map[schema.GroupVersion]error{}
	for gv, err := range c.failed {
		if meant(gv.Group) {
			failed[gv] = err
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", errIncomplete, &discovery.ErrGroupDiscoveryFailed{Groups: failed})
}

// resources returns the resources of the groups that are meant, in that version
// or (empty) each in the first one that can be followed, the group's preferred
// one before the others. If none can be followed, the error says why not; it is
// nil if there is none at all.
func (c *catalog) resources(meant func(group string) bool, version string, match func(metav1.APIResource) bool) (found []resource, err error) {
	seen := map[schema.GroupResource]bool{}
	for _, g := range c.groups {
		if !meant(g.Name) {
			continue
		}
		for _, v := range inOrder(g) {
			if version != "" && v != version {
				continue
			}
			gv := schema.GroupVersion{Group: g.Name, Version: v}
			for _, r := range c.lists[gv] {
				name := gv.WithResource(r.Name).GroupResource()
				if isSubresource(r) || seen[name] || !match(r) {
					continue
				}
				one, cannot := watchable(gv, r)
				if cannot != nil {
					err = cannot
					continue
				}
				one.preferred = g.PreferredVersion.Version
				seen[name], found = true, append(found, one)
			}
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	return nil, err
}

// inOrder returns the versions of a group, the preferred one first.
func inOrder(g *metav1.APIGroup) []string {
	versions := make([]string, 0, len(g.Versions))
	for _, v := range g.Versions {
		if v.Version == g.PreferredVersion.Version {
			versions = slices.Insert(versions, 0, v.Version)
		} else {
			versions = append(versions, v.Version)
		}
	}
	return versions
}

func isSubresource(r metav1.APIResource) bool { return strings.Contains(r.Name, "/") }

// lacks reports whether the cluster has told all there is to tell of a
// resource's group, and serves the resource in no version of it. It is no
// evidence if another group serves the same objects, nor if the core group is
// missing: then this is not the answer of an API server that is well.
func (c *catalog) lacks(gr schema.GroupResource) bool {
	if _, ok := c.lists[schema.GroupVersion{Version: "v1"}]; !ok {
		return false
	}
	same := func(other schema.GroupResource) bool { return objectsOf(other) == objectsOf(gr) }
	for gv := range c.failed {
		if same(gv.WithResource(gr.Resource).GroupResource()) {
			return false
		}
	}
	for gv, list := range c.lists {
		for _, r := range list {
			if same(gv.WithResource(r.Name).GroupResource()) {
				return false
			}
		}
	}
	return true
}
