package sources

import (
	"context"
	"fmt"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// Retry offers a state that sinks have acked before, such as one that a sink
// refused, once more. See [stream.Stream.Retry] for what it returns; it blocks
// while the cluster's lane is full.
func (s *Sources) Retry(ctx context.Context, e *pipeline.Event) (*ledger.Retried, error) {
	key := e.Key()
	m := s.member(key.Cluster)
	if m == nil {
		return nil, fmt.Errorf("cluster %q is not in the fleet", key.Cluster)
	}
	for _, st := range m.streams {
		if st.Follows(key) {
			return st.Retry(ctx, e)
		}
	}
	for _, st := range m.streams {
		if st.Status().Resource == "" {
			return nil, fmt.Errorf("what is followed in cluster %q is not known yet", key.Cluster)
		}
	}
	where := ""
	if key.Namespace != "" {
		where = fmt.Sprintf(" of namespace %q", key.Namespace)
	}
	return nil, fmt.Errorf("%s%s are not followed in cluster %q", key.Resource, where, key.Cluster)
}

func (s *Sources) member(name string) *member {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.members[name]
	if m == nil || m.leaving {
		return nil
	}
	return m
}
