package stream

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
)

// Foreseen is what a stream would tell the ledger of what it follows.
type Foreseen struct {
	Selection ledger.Selection
	Form      string
	// ReadsLabels: the selection depends on labels of the cluster.
	ReadsLabels bool
}

// Foresee returns what a stream of a spec would follow of a resource, with rules that are
// those of all routes, of the spec and of the route together, for a cluster.
func Foresee(spec Spec, name string, m ledger.Meaning, rules *selection.Rules, c selection.Cluster, secretValues bool) Foreseen {
	if spec.Version != "" {
		m.Version = spec.Version
	}
	of := resource{gvr: schema.ParseGroupResource(name).WithVersion(m.Version), kind: m.Kind, namespaced: m.Namespaced}
	program := rules.For(of.selected(), c)
	s := &Stream{spec: spec, cfg: Config{SecretValues: secretValues}}
	secret := of.gvr.Group == "" && of.gvr.Resource == "secrets" && !secretValues
	t := &target{resource: of, metadata: spec.Metadata || secret, secret: secret}
	return Foreseen{Selection: s.selectionOf(program), Form: t.formOf(program.Shape()), ReadsLabels: program.ReadsLabels()}
}

// Means reports whether a spec has meant a resource that the ledger has, by the name that it
// was asked for by, or in full.
func Means(s Spec, resource string, m ledger.Meaning) bool {
	return s.base() == m.Name || s.base() == resource
}

// Base returns the resource as a spec asks for it, without version and selection.
func Base(s Spec) string { return s.base() }

// Follower returns the spec that follows what a ledger's cursor is of, by the name that it
// was asked for by before, or in full. elsewhere: the one that follows the resource is for
// other namespaces, and takes over what belongs to it.
func Follower(specs, excluded []Spec, resource, namespace string, m ledger.Meaning) (spec Spec, ok, elsewhere bool) {
	named, wildcards := Split(specs)
	gr := schema.ParseGroupResource(resource)
	candidates := slices.DeleteFunc(slices.Clone(named), func(s Spec) bool { return !Means(s, resource, m) })
	if len(candidates) == 0 && MayStand(wildcards, excluded, resource) {
		for _, w := range standingFor(wildcards, gr) {
			w.Resource, w.Group = gr.Resource, gr.Group
			candidates = append(candidates, w)
		}
	}
	for _, s := range candidates {
		if s.Namespace == namespace {
			return s, true, false
		}
	}
	if len(candidates) > 0 {
		return candidates[0], false, true
	}
	return Spec{}, false, false
}
