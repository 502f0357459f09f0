package stream

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// anyResource is the resource of a wildcard.
const anyResource = "*"

// Wildcard reports whether the spec stands for all resources of its group, or of all
// groups if it has none, and not for one. A Stream follows one resource: a Survey finds
// those that a wildcard stands for in a cluster.
func (s Spec) Wildcard() bool { return s.Resource == anyResource }

// Split returns the specs that name a resource, and the wildcards.
func Split(specs []Spec) (named, wildcards []Spec) {
	for _, s := range specs {
		if s.Wildcard() {
			wildcards = append(wildcards, s)
		} else {
			named = append(named, s)
		}
	}
	return named, wildcards
}

// checkWildcard returns what a wildcard cannot have.
func (s Spec) checkWildcard(hasVersion bool) (errs []error) {
	if hasVersion {
		errs = append(errs, errors.New("a wildcard has no version, as each group has its own; leave out the slash and what follows it"))
	}
	if selector, err := fields.ParseSelector(s.Fields); err == nil {
		for _, r := range selector.Requirements() {
			if r.Field != "metadata.name" && r.Field != "metadata.namespace" {
				errs = append(errs, fmt.Errorf("fieldSelector=%s: only some resources have the field %s; in a wildcard there are metadata.name and metadata.namespace", s.Fields, r.Field))
			}
		}
	}
	return errs
}

// inNamespaces reports whether a wildcard stands for namespaced resources only. Others do
// not have the field metadata.namespace.
func (s Spec) inNamespaces() bool {
	selector, err := fields.ParseSelector(s.Fields)
	return s.Namespace != "" || err == nil && slices.ContainsFunc(selector.Requirements(), func(r fields.Requirement) bool {
		return r.Field == "metadata.namespace"
	})
}

// of returns the spec of one resource that a wildcard stands for.
func (s Spec) of(gr schema.GroupResource) Spec {
	s.Resource, s.Group = gr.Resource, gr.Group
	return s
}

// standingFor returns those of some wildcards that stand for a resource: who names its
// group goes before who does not.
func standingFor(wildcards []Spec, gr schema.GroupResource) []Spec {
	var inGroup, all []Spec
	for _, w := range wildcards {
		switch w.Group {
		case "":
			all = append(all, w)
		case gr.Group:
			inGroup = append(inGroup, w)
		}
	}
	if len(inGroup) > 0 {
		return inGroup
	}
	return all
}

// MayStand reports whether wildcards, of which nobody has found out what they stand for in
// a cluster, may stand for a resource.
func MayStand(wildcards, excluded []Spec, resource string) bool {
	gr := schema.ParseGroupResource(resource)
	standing := standingFor(wildcards, gr)
	return len(standing) > 0 && isRefused(gr, []string{gr.Resource}, standing[0], excluded) == ""
}

// isRefused returns why a resource with these names is not wanted, though a wildcard
// stands for it; empty if it is.
func isRefused(gr schema.GroupResource, names []string, wildcard Spec, excluded []Spec) string {
	for _, x := range excluded {
		if x.excludes(gr.Group, names) {
			return "--watch-exclude " + x.String()
		}
	}
	for _, n := range Noise {
		if wildcard.Group == "" && n.Resource == gr.String() {
			return n.Reason
		}
	}
	return ""
}

// ParseExclusions parses the values of a flag that says what wildcards do not stand for.
// Each is resource[.group], or *.group for all resources of a group, or several separated
// by commas. A resource without a group is left out in every group that has it. All errors
// are reported at once.
func ParseExclusions(values []string) ([]Spec, error) {
	var all []Spec
	var errs []error
	for _, part := range strings.Split(strings.Join(values, ","), ",") {
		if len(values) == 0 {
			break
		}
		spec, err := parseSpec(part)
		switch plain := (Spec{Resource: spec.Resource, Group: spec.Group}); {
		case err != nil:
		case spec != plain:
			err = fmt.Errorf("only a resource can be excluded as a whole; write %q", plain)
		case spec == Spec{Resource: anyResource}:
			err = errors.New("it would leave nothing; name a resource or a group, such as *.apps")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("exclusion %q: %w", strings.TrimSpace(part), err))
			continue
		}
		all = append(all, spec)
	}
	return all, errors.Join(errs...)
}

// excludes reports whether the spec, of an exclusion, means a resource that has these
// names.
func (s Spec) excludes(group string, names []string) bool {
	return (s.Group == "" || s.Group == group) && (s.Wildcard() || slices.Contains(names, s.Resource))
}

// Noise is what "*" leaves out, because it changes much and tells little. Whoever wants it
// names it, or its group.
var Noise = []LeftOut{
	{"endpoints", "EndpointSlices tell the same, and Kubernetes deprecates it"},
	{"events", "what happened, and not what is: each ends by itself within an hour"},
	{"events.events.k8s.io", "what happened, and not what is: each ends by itself within an hour"},
	{"leases.coordination.k8s.io", "each node and each leader renews one every few seconds"},
}

// LeftOut is a resource that a cluster has, that wildcards stand for, and that is not
// followed.
type LeftOut struct {
	Resource string `json:"resource"` // with its group
	Reason   string `json:"reason"`
}
