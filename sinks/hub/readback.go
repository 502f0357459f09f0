package hub

import (
	"context"
	"fmt"

	"github.com/fairlead-dev/fairlead/sinks"
)

// ReadBack calls yield with each object of a cluster and a resource that has a record and
// is not gone. Objects are given back if the sink writes whole ones.
func (s *Sink) ReadBack(ctx context.Context, cluster, resource string, yield func(sinks.Held) error) error {
	var ended error
	err := s.list(ctx, selector(cluster, resource), page, func(r *record) error {
		if r.Spec.Cluster != cluster || r.Spec.Resource != resource || !r.Spec.Deleted.IsZero() {
			return nil
		}
		ended = yield(r.Spec.held(s.o.Full))
		return ended
	})
	if err != nil && ended == nil {
		return fmt.Errorf("read the records of %.300q in namespace %s of the hub: %w", cluster+"/"+resource, s.o.Namespace, err)
	}
	return err
}
