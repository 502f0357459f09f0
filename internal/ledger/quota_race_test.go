package ledger

import (
	"sync"
	"testing"
)

// Of cursors that want the last place of their cluster at once, one gets it.
func TestQuotaIsExact(t *testing.T) {
	for range 200 {
		s := newStored(t)
		s.ledger.Join("a")
		s.ledger.SetQuota("a", Quota{Objects: 9, Bytes: 9*SizeOf(pod(0)) - 1})
		var wg sync.WaitGroup
		for _, resource := range []string{"pods", "secrets", "configmaps", "events"} {
			c, _ := s.ledger.Claim(Claiming{ID: StreamID{Cluster: "a", ClusterUID: "uid", Resource: resource}})
			wg.Go(func() {
				for i := range 5 {
					c.Observe(pod(i), at(uuid(i), 10+i), false, false, nil)
				}
			})
		}
		wg.Wait()
		if u := s.ledger.Clusters(); len(u) != 1 || u[0].Usage.Objects != 8 || u[0].Usage.Bytes > 9*SizeOf(pod(0))-1 {
			t.Fatalf("%+v", u)
		}
	}
}
