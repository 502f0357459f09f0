package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// giveWay fails if a spec that was written before the stream's means objects that
// r is the resource of: deploy and deployments.apps, or the two groups of events.
// Only the cluster can tell, and each stream asks it for all specs that may be
// meant, so that the first one written follows them, whichever comes first.
func (s *Stream) giveWay(ctx context.Context, api *served, known memory, r resource) error {
	for _, other := range s.earlier {
		if !other.overlapsIn(s.spec.Namespace) {
			continue
		}
		same, err := known.mean(ctx, api, other, r)
		if err != nil {
			return err
		}
		if same != nil {
			return claimed(other.String(), *same, s.name, r.name())
		}
	}
	return nil
}

// followed returns the namespaces, "" for all, in which the member's streams follow
// a resource, the stream's own among them.
func (s *Stream) followed(ctx context.Context, api *served, known memory, r resource) ([]string, error) {
	all := []string{s.spec.Namespace}
	for _, other := range slices.Concat(s.earlier, s.later) {
		same, err := known.mean(ctx, api, other, r)
		if err != nil {
			return nil, err
		}
		if same != nil && *same == r.name() {
			all = append(all, other.Namespace)
		}
	}
	return all, nil
}

// mean reports whether a spec means objects that r is the resource of, and by
// which name; nil: it does not.
func (m memory) mean(ctx context.Context, api *served, spec Spec, r resource) (*schema.GroupResource, error) {
	var one resource
	var err error
	if was, ok := m.meaning(spec); ok {
		gr := groupResource(was)
		if gr == r.name() {
			return &gr, nil
		}
		if objectsOf(gr) != objectsOf(r.name()) {
			return nil, nil
		}
		one, err = api.resource(ctx, gr, spec)
	} else {
		// Most specs have no name of r, whatever they mean.
		if spec.Resource != r.gvr.Resource && !slices.Contains(r.names, spec.Resource) {
			return nil, nil
		}
		one, err = api.resolve(ctx, spec)
	}
	switch {
	case errors.Is(err, errDiscovery):
		return nil, err
	case err != nil, objectsOf(one.name()) != objectsOf(r.name()):
		return nil, nil //nolint:nilerr // It follows other objects, or none.
	}
	gr := one.name()
	return &gr, nil
}

// claimed is the error of a stream whose objects another one follows.
func claimed(first string, its schema.GroupResource, second string, what schema.GroupResource) error {
	if its != what {
		return fmt.Errorf("%w: watch %q (%s) and watch %q (%s) are the same objects in two API groups; leave one of them out",
			errClaimed, first, its, second, what)
	}
	return fmt.Errorf("%w: watch %q and watch %q both mean %s; leave one of them out", errClaimed, first, second, what)
}

// Claims says which stream follows which objects. Specs that look different
// may mean the same resource, such as deploy and deployments.apps, and only the
// cluster can tell. Two streams of the same objects would take each other's
// snapshots for deletions, so the second one waits and says so. Streams of one
// member have settled that before (see giveWay), unless they have looked at
// different moments; then the one that follows the objects goes on.
//
// One Claims serves any number of clusters. Its methods may be called from any
// goroutine.
type Claims struct {
	mu   sync.Mutex
	held map[*Stream]claim
}

type claim struct {
	cluster   string
	resource  schema.GroupResource
	namespace string
}

// NewClaims returns an empty Claims.
func NewClaims() *Claims { return &Claims{held: map[*Stream]claim{}} }

// take makes s the one that follows resource in namespace (empty: all). It
// gives up what s held before, also on an error.
func (c *Claims) take(s *Stream, resource schema.GroupResource, namespace string) error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, s)
	want := claim{s.cluster, resource, namespace}
	for other, have := range c.held {
		if have.cluster == want.cluster && objectsOf(have.resource) == objectsOf(resource) &&
			(have.namespace == want.namespace || have.namespace == "" || want.namespace == "") {
			return claimed(other.name, have.resource, s.name, resource)
		}
	}
	c.held[s] = want
	return nil
}

func (c *Claims) release(s *Stream) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, s)
}
