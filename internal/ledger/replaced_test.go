package ledger

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// of is in, of a cluster with another UID.
func (s *stored) of(uid, namespace string, followed ...string) (c *Cursor, former []*Cursor) {
	return s.ledger.Claim(Claiming{
		ID:        StreamID{Cluster: "a", ClusterUID: uid, Resource: "pods", Namespace: namespace, Route: "r"},
		Selection: Selection{Namespace: namespace}, Followed: followed,
	})
}

// takeLeave has a sink accept that all of a former cluster's objects are gone that belong
// to a stream, and returns these.
func (s *stored) takeLeave(c *Cursor, former []*Cursor) (gone []string) {
	for _, f := range former {
		for d := range f.Retire() {
			f.begin(d.Sequence, d.Name, d.Version, true)
			f.Ack(d.Sequence, d.Name, d.Version, true)
			gone = append(gone, fmt.Sprint(d.Name.Namespace, "/", d.Name.Name, " of ", f.ID().ClusterUID))
		}
		s.ledger.Retired(f, c)
	}
	slices.Sort(gone)
	return gone
}

// A cluster is replaced while other namespaces are followed than before. Each stream
// gets the deletions of all objects of the one before whose names its own may have, and
// no stream those of another. All of the one before is gone in the end.
func TestReplacedAndSelectedOtherwise(t *testing.T) {
	for name, test := range map[string]struct {
		before, after []string
		want          map[string][]string // by namespace that is followed
	}{
		"narrowed": {[]string{""}, []string{"a"}, map[string][]string{
			"a": {"a/odd of A", "a/x of A", "b/x of A", "c/x of A"},
		}},
		"to two": {[]string{""}, []string{"a", "b"}, map[string][]string{
			"a": {"a/odd of A", "a/x of A", "c/x of A"}, "b": {"b/x of A"},
		}},
		"widened": {[]string{"a", "b"}, []string{""}, map[string][]string{
			"": {"a/odd of A", "a/x of A", "b/odd of A", "b/x of A"},
		}},
		"moved":            {[]string{"a"}, []string{"b"}, map[string][]string{"b": {"a/odd of A", "a/x of A"}}},
		"one is left":      {[]string{"a", "b"}, []string{"b"}, map[string][]string{"b": {"a/odd of A", "a/x of A", "b/odd of A", "b/x of A"}}},
		"as it was before": {[]string{"a", "b"}, []string{"a", "b"}, map[string][]string{"a": {"a/odd of A", "a/x of A"}, "b": {"b/odd of A", "b/x of A"}}},
	} {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, killed %t", name, killed), func(t *testing.T) {
				s := newStored(t)
				for _, namespace := range test.before {
					c, _ := s.of("A", namespace, test.before...)
					c.Mean(Meaning{Name: "pods", Version: "v1", Kind: "Pod", Namespaced: true})
					objects := objectsIn("a", "b", "c")
					if namespace != "" {
						objects = objectsIn(namespace)
					}
					s.tell(c, objects)
				}
				s.commit(true)
				if killed {
					s.open()
				}
				got, number := map[string][]string{}, map[string]uint64{}
				for _, namespace := range test.after {
					c, former := s.of("B", namespace, test.after...)
					if killed { // and once more, before leave is taken
						s.commit(true)
						s.open()
						s.ledger.Join("a")
						c, former = s.of("B", namespace, test.after...)
					}
					for _, f := range former {
						if m := f.Meaning(); m.Kind != "Pod" {
							t.Errorf("%v means %+v", f.ID(), m)
						}
					}
					got[namespace] = s.takeLeave(c, former)
					for _, f := range former {
						number[namespace] = max(number[namespace], f.numbers.last)
					}
					if o := c.Observe(Name{"a", "x"}, at(uid1, 5), false, true, nil); o.Sequence <= number[namespace] {
						t.Errorf("%q: an observation has number %d, and the last deletion %d", namespace, o.Sequence, number[namespace])
					}
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("told to be gone (-want +got):\n%s", diff)
				}
				for id := range s.ledger.cursors {
					if id.ClusterUID != "B" {
						t.Errorf("left is %+v", id)
					}
				}
			})
		}
	}
}

// The UID of a cluster can be read at last when other namespaces are followed: it is the
// same cluster, and keeps what was delivered of it.
func TestNamedByItsUIDAndSelectedOtherwise(t *testing.T) {
	for _, uids := range [][2]string{{"digest-1", "A"}, {"A", "digest-1"}} {
		s := newStored(t)
		c, _ := s.of(uids[0], "", "")
		s.tell(c, objectsIn("a", "b"))
		c, former := s.of(uids[1], "a", "a")
		if len(former) != 0 || c.ID().ClusterUID != "A" {
			t.Errorf("%v: former %v, as %v", uids, former, c.ID())
		}
		if diff := cmp.Diff([]string{"-b"}, s.tell(c, objectsIn("a"))); diff != "" {
			t.Errorf("%v: (-want +got):\n%s", uids, diff)
		}
	}
}

// A cluster is back under the name, whose cursor is still there. What is observed of it is
// numbered above the deletions of the one between.
func TestNumbersOfAClusterThatIsBack(t *testing.T) {
	s := newStored(t)
	s.of("A", "", "")
	b, _ := s.of("B", "", "")
	b.numberAbove(b.numbers.last + 10*numbersAhead)
	s.tell(b, objectsIn("a"))
	c, former := s.of("A", "", "")
	s.takeLeave(c, former)
	if o := c.Observe(Name{"a", "x"}, at(uid1, 5), false, true, nil); o.Sequence <= b.numbers.last {
		t.Errorf("number %d, and the last deletion has %d", o.Sequence, b.numbers.last)
	}
}
