package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/restmapper"
)

// errNoResource is said of a resource that the cluster does not serve, or that
// cannot be watched.
var errNoResource = errors.New("no such resource")

// resource is what a spec stands for in one cluster.
type resource struct {
	gvr        schema.GroupVersionResource
	kind       string
	namespaced bool
}

// resolve finds the resource that a spec means in a cluster, by the rules of
// kubectl: exact plural and singular names before short names, the core group
// first, then groups in the server's order, each in its preferred version.
func resolve(ctx context.Context, client discovery.DiscoveryInterface, spec Spec) (resource, error) {
	r, err := resolveAny(ctx, discovery.ToDiscoveryInterfaceWithContext(client), spec)
	if err == nil && spec.Namespace != "" && !r.namespaced {
		err = fmt.Errorf("%w: %s is not namespaced; leave out namespace=%s", errNoResource, r.gvr.GroupResource(), spec.Namespace)
	}
	return r, err
}

func resolveAny(ctx context.Context, client discovery.DiscoveryInterfaceWithContext, spec Spec) (resource, error) {
	// Often one small document tells it, instead of the list of everything: an
	// exact name in the core group always wins, and a group with its version
	// leaves no choice.
	gv := schema.GroupVersion{Group: spec.Group, Version: spec.Version}
	if gv.Empty() {
		gv.Version = "v1"
	}
	if gv.Version != "" {
		list, err := client.ServerResourcesForGroupVersionWithContext(ctx, gv.String())
		if err != nil && !apierrors.IsNotFound(err) {
			return resource{}, fmt.Errorf("discover %s: %w", spec.name(), err)
		}
		if list != nil {
			for _, r := range list.APIResources {
				if r.Name == spec.Resource || r.SingularName == spec.Resource {
					return watchable(gv, r)
				}
			}
		}
	}
	groups, lists, err := client.ServerGroupsAndResourcesWithContext(ctx)
	if err != nil && (groups == nil || lists == nil) {
		return resource{}, fmt.Errorf("discover %s: %w", spec.name(), err)
	}
	r, found := resolveIn(ctx, groups, lists, spec)
	if found != nil && err != nil {
		// Some group could not be read; the resource may be one of its.
		return resource{}, fmt.Errorf("discover %s: %w", spec.name(), err)
	}
	return r, found
}

func watchable(gv schema.GroupVersion, r metav1.APIResource) (resource, error) {
	gvr := gv.WithResource(r.Name)
	if err := checkNames(gvr, r.Kind); err != nil {
		return resource{}, err
	}
	if !slices.Contains(r.Verbs, "list") || !slices.Contains(r.Verbs, "watch") {
		return resource{}, fmt.Errorf("%w: %s cannot be watched, it has %v only", errNoResource, gvr.GroupResource(), r.Verbs)
	}
	return resource{gvr, r.Kind, r.Namespaced}, nil
}

func (s Spec) name() string {
	return Spec{Resource: s.Resource, Group: s.Group, Version: s.Version}.String()
}

func resolveIn(ctx context.Context, groups []*metav1.APIGroup, lists []*metav1.APIResourceList, spec Spec) (resource, error) {
	found := discovered{groups: groups, lists: lists}
	apis, err := restmapper.GetAPIGroupResourcesWithContext(ctx, found)
	if err != nil {
		return resource{}, err // not reached: found returns no error
	}
	mapper := restmapper.NewShortcutExpanderWithContext(restmapper.NewDiscoveryRESTMapperWithContext(apis), found, nil)
	gvr, err := mapper.ResourceForWithContext(ctx, schema.GroupVersionResource{
		Group: spec.Group, Version: spec.Version, Resource: spec.Resource,
	})
	if err != nil && !meta.IsNoMatchError(err) {
		return resource{}, fmt.Errorf("%w: %s: %w", errNoResource, spec.name(), err)
	}
	for _, list := range lists {
		if err != nil || list.GroupVersion != gvr.GroupVersion().String() {
			continue
		}
		for _, r := range list.APIResources {
			if r.Name == gvr.Resource {
				return watchable(gvr.GroupVersion(), r)
			}
		}
	}
	return resource{}, fmt.Errorf("%w: the cluster does not serve %s (yet)", errNoResource, spec.name())
}

// discovered is a discovery client that answers with what has been read
// already: the mapper and its shortcuts would each ask the server again.
type discovered struct {
	discovery.DiscoveryInterfaceWithContext // nil: nothing else is asked
	groups                                  []*metav1.APIGroup
	lists                                   []*metav1.APIResourceList
}

func (d discovered) ServerGroupsAndResourcesWithContext(context.Context) ([]*metav1.APIGroup, []*metav1.APIResourceList, error) {
	return d.groups, d.lists, nil
}
