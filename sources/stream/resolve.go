package stream

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// errNoResource is said of a resource that the cluster does not serve, or
	// that cannot be watched.
	errNoResource = errors.New("no such resource")
	// errAmbiguous is said of a name that resources of several groups have.
	errAmbiguous = errors.New("ambiguous name")
	// errIncomplete is said of a resource that may be one of those that a
	// cluster cannot tell of, because an API server behind it does not answer.
	errIncomplete = errors.New("some API groups cannot be read")
)

// resource is what a spec stands for in one cluster.
type resource struct {
	gvr        schema.GroupVersionResource
	kind       string
	namespaced bool
	names      []string // plural, singular and short names
	preferred  string   // the version that its group prefers; empty if it was not asked for
}

func (r resource) name() schema.GroupResource { return r.gvr.GroupResource() }

// resolve finds the resource that a spec means in a cluster that it has not been
// resolved in before.
//
// The rules are those of kubectl, but for what kubectl settles by the order of
// the groups, which anyone changes who installs another CRD:
//
//  1. Plural and singular names go before short names.
//  2. Of the groups that have the name, the core group goes before all others:
//     nodes are those, and not nodes.metrics.k8s.io.
//  3. If several others have it, it is ambiguous. What cannot be listed and
//     watched does not count, and groups that serve the same objects count once.
//  4. A group in the spec is the group of that name. If there is none, it may be
//     the beginning of one.
//  5. Without a version, it is the one that the group prefers, or the first that
//     has the resource.
func (a *served) resolve(ctx context.Context, spec Spec) (resource, error) {
	// Often one small document tells it, instead of the list of everything: an
	// exact name in the core group always wins, and a group with its version
	// leaves no choice.
	gv := schema.GroupVersion{Group: spec.Group, Version: spec.Version}
	if gv.Empty() {
		gv.Version = "v1"
	}
	if gv.Version != "" {
		r, err := a.direct(ctx, gv, func(r metav1.APIResource) bool { return isNamed(r, spec.Resource) })
		if r != nil || err != nil {
			return suits(r, err, spec)
		}
	}
	all, err := a.everything(ctx)
	if err != nil {
		return resource{}, err
	}
	r, err := all.resolve(spec)
	return suits(&r, err, spec)
}

// resource finds a resource that a spec has meant before.
func (a *served) resource(ctx context.Context, gr schema.GroupResource, spec Spec) (resource, error) {
	match := func(r metav1.APIResource) bool { return r.Name == gr.Resource }
	gv := schema.GroupVersion{Group: gr.Group, Version: spec.Version}
	if gv.Empty() {
		gv.Version = "v1"
	}
	if gv.Version != "" {
		r, err := a.direct(ctx, gv, match)
		if r != nil || err != nil {
			return suits(r, err, spec)
		}
	}
	all, err := a.everything(ctx)
	if err != nil {
		return resource{}, err
	}
	meant := func(group string) bool { return group == gr.Group }
	found, err := all.resources(meant, spec.Version, match)
	switch {
	case len(found) > 0:
		return suits(&found[0], nil, spec)
	case err == nil:
		err = all.missed(meant)
	}
	if err == nil {
		err = fmt.Errorf("%w: the cluster does not serve %s%s", errNoResource, gr, all.instead(spec.Version, meant, match))
	}
	return resource{}, err
}

// direct looks for a resource in one version of a group; nil: there is none that
// can be followed.
func (a *served) direct(ctx context.Context, gv schema.GroupVersion, match func(metav1.APIResource) bool) (*resource, error) {
	list, err := a.version(ctx, gv)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		if isSubresource(r) || !match(r) {
			continue
		}
		if one, err := watchable(gv, r); err == nil {
			return &one, nil
		}
	}
	return nil, nil
}

func suits(r *resource, err error, spec Spec) (resource, error) {
	switch {
	case err != nil:
		return resource{}, err
	case spec.Namespace != "" && !r.namespaced:
		return resource{}, fmt.Errorf("%w: %s is not namespaced; leave out namespace=%s", errNoResource, r.name(), spec.Namespace)
	}
	return *r, nil
}

func watchable(gv schema.GroupVersion, r metav1.APIResource) (resource, error) {
	gvr := gv.WithResource(r.Name)
	if err := checkNames(gvr, r.Kind); err != nil {
		return resource{}, err
	}
	if !slices.Contains(r.Verbs, "list") || !slices.Contains(r.Verbs, "watch") {
		return resource{}, fmt.Errorf("%w: %s cannot be watched, it has %v only", errNoResource, gvr.GroupResource(), r.Verbs)
	}
	return resource{
		gvr: gvr, kind: r.Kind, namespaced: r.Namespaced,
		names: append([]string{r.Name, r.SingularName}, r.ShortNames...),
	}, nil
}

// isNamed reports whether a name is the plural or singular one of a resource.
// Servers without singular names mean that of the kind.
func isNamed(r metav1.APIResource, name string) bool {
	return r.Name == name || r.SingularName == name || r.SingularName == "" && strings.ToLower(r.Kind) == name
}

func (s Spec) name() string {
	return Spec{Resource: s.Resource, Group: s.Group, Version: s.Version}.String()
}

func (c *catalog) resolve(spec Spec) (resource, error) {
	named := func(r metav1.APIResource) bool { return isNamed(r, spec.Resource) }
	short := func(r metav1.APIResource) bool { return slices.Contains(r.ShortNames, spec.Resource) }
	meant := c.meant(spec)
	for _, match := range []func(metav1.APIResource) bool{named, short} {
		found, err := c.resources(meant, spec.Version, match)
		found = foremost(found)
		switch {
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return resource{}, &ambiguousError{spec, found}
		case err != nil:
			return resource{}, err
		}
	}
	if missed := c.missed(meant); missed != nil {
		return resource{}, fmt.Errorf("the cluster does not serve %s, as far as it tells: %w", spec.name(), missed)
	}
	return resource{}, fmt.Errorf("%w: the cluster does not serve %s (yet)%s", errNoResource, spec.name(), c.hint(spec, named))
}

// ambiguousError says what a name may mean.
type ambiguousError struct {
	spec  Spec
	found []resource
}

func (e *ambiguousError) Unwrap() error { return errAmbiguous }

func (e *ambiguousError) Error() string {
	return fmt.Sprintf("%s: %s is %s here; write one of them", errAmbiguous, e.spec.name(), candidates(e.found, false))
}

// meant returns which groups a spec means.
func (c *catalog) meant(spec Spec) func(group string) bool {
	exact := c.has(spec.Group)
	return func(group string) bool {
		return group == spec.Group || spec.Group == "" || !exact && strings.HasPrefix(group, spec.Group)
	}
}

// foremost leaves of resources with one name those of the core group, if there
// are any, and of groups that serve the same objects one.
func foremost(found []resource) []resource {
	if slices.ContainsFunc(found, func(r resource) bool { return r.gvr.Group == "" }) {
		return slices.DeleteFunc(found, func(r resource) bool { return r.gvr.Group != "" })
	}
	return slices.DeleteFunc(slices.Clone(found), func(r resource) bool {
		first := objectsOf(r.name())
		return first != r.name() && slices.ContainsFunc(found, func(other resource) bool { return other.name() == first })
	})
}

// candidates names resources, as many as one can read.
func candidates(found []resource, versions bool) string {
	const most = 8
	names := make([]string, len(found))
	for i, r := range found {
		names[i] = r.name().String()
		if versions {
			names[i] += "/" + r.gvr.Version
		}
	}
	slices.Sort(names)
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("%d more", more))
	}
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// versionLike is how most versions are named.
var versionLike = regexp.MustCompile(`^v[1-9][0-9]*((alpha|beta)[1-9][0-9]*)?$`)

// hint says what may have been meant by a spec that nothing matches.
func (c *catalog) hint(spec Spec, named func(metav1.APIResource) bool) string {
	subresource := spec.Resource + "/" + spec.Version
	for _, list := range c.lists {
		if spec.Group == "" && slices.ContainsFunc(list, func(r metav1.APIResource) bool { return r.Name == subresource }) {
			return fmt.Sprintf("; %s is a subresource, which cannot be watched", subresource)
		}
	}
	if version, group, _ := strings.Cut(spec.Group, "."); versionLike.MatchString(version) && spec.Version == "" {
		return fmt.Sprintf("; if version %s is meant, write %s", version, Spec{Resource: spec.Resource, Group: group, Version: version}.name())
	}
	return c.instead(spec.Version, func(string) bool { return true }, named)
}

// instead says what else of that name there is.
func (c *catalog) instead(version string, meant func(group string) bool, named func(metav1.APIResource) bool) string {
	found, _ := c.resources(meant, "", named)
	if len(found) == 0 {
		return ""
	}
	return "; it does serve " + candidates(found, version != "")
}
