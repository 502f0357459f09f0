package sources

import (
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// StreamLimits are limits of resources, by cluster and by resource with its group, in changes per
// second.
type StreamLimits map[string]map[string]ratelimit.Limit

// throttles are the limits of resources, by cluster and resource. Each has one bucket, whatever
// becomes of the member and its streams. The inner maps are never changed in place: streams have
// them.
type throttles map[string]map[string]throttle

type throttle struct {
	bucket *ratelimit.Bucket
	limit  ratelimit.Limit
	*stream.Throttle
}

// SetStreamLimits limits how many changes of resources are read per second, of all routes
// together, also of members that come later; what had a limit before and has none in all goes on
// without one. A limit that was there keeps its tokens. It does not block. It panics if a limit is
// not valid.
func (s *Sources) SetStreamLimits(all StreamLimits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, now := s.throttles, throttles{}
	for cluster, of := range all {
		for resource, limit := range of {
			if limit.QPS == 0 {
				continue
			}
			t, is := before[cluster][resource]
			if !is {
				b := ratelimit.NewBucket(limit)
				t = throttle{bucket: b, Throttle: stream.NewThrottle(b)}
			}
			if now[cluster] == nil {
				now[cluster] = map[string]throttle{}
			}
			now[cluster][resource] = t.set(limit)
		}
	}
	for cluster, of := range before {
		for resource, t := range of {
			if _, is := now[cluster][resource]; !is {
				t.set(ratelimit.Limit{}) // who waits for it goes on
			}
		}
	}
	s.throttles = now
	for _, r := range s.members {
		of := now.of(r.name)
		for _, st := range r.streams {
			st.SetThrottles(of)
		}
	}
}

// set gives a throttle another limit.
func (t throttle) set(limit ratelimit.Limit) throttle {
	if t.limit != limit {
		t.limit = limit
		t.bucket.Set(limit)
		t.Changed()
	}
	return t
}

// of returns those of a cluster as its streams take them; nil: there are none.
func (all throttles) of(cluster string) map[string]*stream.Throttle {
	var of map[string]*stream.Throttle
	for resource, t := range all[cluster] {
		if of == nil {
			of = map[string]*stream.Throttle{}
		}
		of[resource] = t.Throttle
	}
	return of
}
