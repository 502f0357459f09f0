package cache

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
)

// unresolved is what a Handler panics with when the member cannot tell yet what
// it needs to know: it is asked again.
type unresolved struct{ error }

func (u unresolved) Unwrap() error { return u.error }

// ownerMapper returns a mapper that knows the resource of one kind of owner by
// heart. controller-runtime's handler asks a mapper for each event, and drops
// the event if the member does not answer just then.
func ownerMapper(c cluster.Cluster, owner client.Object) (meta.RESTMapper, error) {
	kinds, _, err := c.GetScheme().ObjectKinds(owner)
	if err != nil {
		return nil, fmt.Errorf("kind of the owner %T: %w", owner, err)
	}
	if len(kinds) != 1 {
		return nil, fmt.Errorf("the owner %T must be of one kind, not of %v", owner, kinds)
	}
	// Of any version: that of a reference may be one that is not served any more.
	mapping, err := c.GetRESTMapper().RESTMapping(kinds[0].GroupKind())
	if err != nil {
		return nil, unresolved{fmt.Errorf("resource of the owner %s: %w", kinds[0].GroupKind(), err)}
	}
	return knownMapper{c.GetRESTMapper(), mapping}, nil
}

// knownMapper answers for one kind without asking anybody, whatever the version.
type knownMapper struct {
	meta.RESTMapper
	known *meta.RESTMapping
}

func (m knownMapper) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	if kind == m.known.GroupVersionKind.GroupKind() {
		return m.known, nil
	}
	return m.RESTMapper.RESTMapping(kind, versions...)
}
