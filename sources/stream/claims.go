package stream

import (
	"fmt"
	"sync"
)

// Claims says which stream follows which objects. Specs that look different
// may mean the same resource, such as deploy and deployments.apps, and only the
// cluster can tell. Two streams of the same objects would take each other's
// snapshots for deletions, so the second one waits and says so.
//
// One Claims serves any number of clusters. Its methods may be called from any
// goroutine.
type Claims struct {
	mu   sync.Mutex
	held map[*Stream]claim
}

type claim struct{ cluster, resource, namespace string }

// NewClaims returns an empty Claims.
func NewClaims() *Claims { return &Claims{held: map[*Stream]claim{}} }

// take makes s the one that follows resource in namespace (empty: all). It
// gives up what s held before, also on an error.
func (c *Claims) take(s *Stream, resource, namespace string) error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, s)
	want := claim{s.cluster, resource, namespace}
	for other, have := range c.held {
		if have.cluster == want.cluster && have.resource == want.resource &&
			(have.namespace == want.namespace || have.namespace == "" || want.namespace == "") {
			return fmt.Errorf("%w: watch %q and watch %q both mean %s; leave one of them out", errClaimed, other.name, s.name, resource)
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
