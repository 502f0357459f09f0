package sources

import (
	"context"
	"errors"
	"fmt"

	"github.com/fairlead-dev/fairlead/sources/stream"
)

// Comparison compares what a route's sink has with one stream of a member: see the methods.
type Comparison = stream.Comparison

// ListedObject is one object of a member, as a route's rules see it.
type ListedObject = stream.ListedObject

// ComparedStanding is what the ledger knows of one object at one moment.
type ComparedStanding = stream.ComparedStanding

// ObjectName names an object of a stream.
type ObjectName = stream.ObjectName

// Compare calls f for each stream of a member that resource means, as Replay has it, one after
// the other. c is nil if that stream cannot be compared now, and err says why; the ctx of f ends
// when the member leaves, and its cause says so. Compare ends with the first error of f, or with one that wraps
// ErrUnknownCluster, ErrUnknownResource or ErrNotSurveyed.
func (s *Sources) Compare(ctx context.Context, cluster, resource, route string, f func(ctx context.Context, stream string, c *Comparison, err error) error) error {
	surveyed := s.surveyed(cluster) // asked before, so that its streams are among them
	ctx, all, done, ok := s.redelivering(ctx, cluster)
	if !ok {
		return fmt.Errorf("%w as %q; there are: %s", ErrUnknownCluster, cluster, enumerate(s.names()))
	}
	defer done()
	meant := all
	if resource != "" {
		meant = meantBy(all, resource)
	}
	if !surveyed {
		return fmt.Errorf("cluster %q: %w", cluster, ErrNotSurveyed)
	}
	if len(meant) == 0 && resource != "" {
		return fmt.Errorf("%w: %s in cluster %q", ErrUnknownResource, resource, cluster)
	}
	for _, st := range meant {
		c, err := st.Compare(route)
		if err := f(ctx, st.Name(), c, err); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// StoreRepairs returns once what Comparison.Repair has marked is stored: a restart of the
// process goes on with it. The error wraps ErrNotStored.
func (s *Sources) StoreRepairs(ctx context.Context, cluster string) error {
	if err := s.o.Ledger.Flush(ctx, cluster); err != nil {
		return fmt.Errorf("repairs of cluster %q: %w", cluster, errors.Join(ErrNotStored, err))
	}
	return nil
}
