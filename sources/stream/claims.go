package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// follower is a spec that follows objects.
type follower struct {
	spec Spec
	name schema.GroupResource // by which it means them
}

// settle returns the namespaces, "" for all, in which the member's streams follow a
// resource by its name, the stream's own among them. Of specs that mean the same
// objects, such as deploy and deployments.apps, or the two groups of events, those that
// were written first follow them, and a later one gives way to one that follows some of
// its own: settle fails if the stream's does. A spec that gives way follows nothing, and
// nothing gives way to it.
//
// Only the cluster can tell what specs mean, and each stream asks it for all of them, so
// that all come to the same, whichever comes first.
func (s *Stream) settle(ctx context.Context, api *served, known remembered, r resource) ([]string, error) {
	var all []follower
	before := func(one Spec) int {
		return slices.IndexFunc(all, func(f follower) bool { return f.spec.overlapsIn(one.Namespace) })
	}
	add := func(specs []Spec) error {
		for _, other := range specs {
			switch same, err := known.mean(ctx, api, other, r); {
			case err != nil:
				return err
			case same != nil && before(other) < 0:
				all = append(all, follower{other, *same})
			}
		}
		return nil
	}
	if err := add(s.earlier); err != nil {
		return nil, err
	}
	if i := before(s.spec); i >= 0 {
		return nil, claimed(all[i].spec.String(), all[i].name, s.name, r.name())
	}
	all = append(all, follower{s.spec, r.name()})
	if err := add(s.later); err != nil {
		return nil, err
	}
	var namespaces []string
	for _, f := range all {
		if f.name == r.name() {
			namespaces = append(namespaces, f.spec.Namespace)
		}
	}
	return namespaces, nil
}

// mean reports whether a spec means objects that r is the resource of, and by
// which name; nil: it does not.
func (m remembered) mean(ctx context.Context, api *served, spec Spec, r resource) (*schema.GroupResource, error) {
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
// member have settled that before (see settle), unless they have looked at
// different moments; then the one that follows the objects goes on.
//
// One Claims serves any number of clusters, and what a stream asks of it costs the same
// however many there are. Its methods may be called from any goroutine.
type Claims struct {
	mu     sync.Mutex
	held   map[*Stream]claim
	of     map[objects][]*Stream // that hold them, each in another namespace
	looked int                   // streams that take has looked at, for tests
}

// objects are those of a resource, by whichever of its names, in a cluster.
type objects struct {
	cluster  string
	resource schema.GroupResource // as objectsOf returns it
}

type claim struct {
	cluster   string
	resource  schema.GroupResource
	namespace string
}

func (c claim) objects() objects { return objects{c.cluster, objectsOf(c.resource)} }

// NewClaims returns an empty Claims.
func NewClaims() *Claims {
	return &Claims{held: map[*Stream]claim{}, of: map[objects][]*Stream{}}
}

// take makes s the one that follows resource in namespace (empty: all). It
// gives up what s held before, also on an error.
func (c *Claims) take(s *Stream, resource schema.GroupResource, namespace string) error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.releaseLocked(s)
	want := claim{s.cluster, resource, namespace}
	for _, other := range c.of[want.objects()] {
		c.looked++
		if have := c.held[other]; have.namespace == namespace || have.namespace == "" || namespace == "" {
			return claimed(other.name, have.resource, s.name, resource)
		}
	}
	c.held[s] = want
	c.of[want.objects()] = append(c.of[want.objects()], s)
	return nil
}

func (c *Claims) release(s *Stream) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.releaseLocked(s)
}

func (c *Claims) releaseLocked(s *Stream) {
	have, ok := c.held[s]
	if !ok {
		return
	}
	delete(c.held, s)
	of := have.objects()
	left := slices.DeleteFunc(c.of[of], func(other *Stream) bool { return other == s })
	if c.of[of] = left; len(left) == 0 {
		delete(c.of, of)
	}
}
