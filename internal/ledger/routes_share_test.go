package ledger

import (
	"testing"
	"unsafe"
)

// The names of objects are in memory once for all sinks of a stream: where they are
// observed together, and after a restart.
func TestRoutesShareNames(t *testing.T) {
	s := newStored(t)
	s.openFor("a", "b")
	claim := func(route string) *Cursor {
		c, _ := s.ledger.Claim(Claiming{ID: StreamID{Cluster: "a", ClusterUID: "uid", Resource: "pods", Route: route}})
		return c
	}
	shared := func(when string) {
		t.Helper()
		a, b := claim("a"), claim("b")
		for i := range 3 {
			key := appendName(nil, pod(i))
			one, other := a.acked.get(key), b.acked.get(key)
			if one == nil || other == nil || unsafe.StringData(string(one.name)) != unsafe.StringData(string(other.name)) {
				t.Errorf("%s: names of object %d: %v, %v", when, i, one, other)
			}
		}
	}
	a, b := claim("a"), claim("b")
	for i := range 3 {
		first := a.Observe(pod(i), at20(i), false, false, nil)
		second := b.Observe(pod(i), at20(i), false, false, &first)
		for c, o := range map[*Cursor]Observation{a: first, b: second} {
			c.begin(o.Sequence, pod(i), at20(i), false)
			c.Ack(o.Sequence, pod(i), at20(i), false)
		}
	}
	shared("observed")
	s.commit(true)
	s.openFor("a", "b")
	shared("loaded")
}

// Each sink's cursors may know as many objects as the bound says.
func TestQuotaIsOfEachRoute(t *testing.T) {
	s := newStored(t)
	s.openFor("a", "b")
	s.ledger.SetQuota("a", Quota{Objects: 2})
	for _, route := range []string{"a", "b"} {
		c, _ := s.ledger.Claim(Claiming{ID: StreamID{Cluster: "a", ClusterUID: "uid", Resource: "pods", Route: route}})
		for i, want := range []Verdict{Deliver, Deliver, Refused} {
			if o := c.Observe(pod(i), at20(i), false, false, nil); o.Verdict != want {
				t.Errorf("object %d for route %s: verdict %v, want %v", i, route, o.Verdict, want)
			}
		}
	}
	if u := s.ledger.Clusters()[0].Usage; u.Objects != 2 {
		t.Errorf("usage %+v", u)
	}
}
