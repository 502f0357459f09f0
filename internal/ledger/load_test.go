package ledger

import (
	"encoding/binary"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// oldLedger is a ledger of a version that had one cursor for all sinks: with what fill
// brings, and this head.
func oldLedger(t *testing.T, head string) *stored {
	t.Helper()
	s := newStored(t)
	c, _ := s.claim("uid", "digest")
	s.fill(c)
	s.commit(true)
	s.store.heads[c.key] = binary.BigEndian.AppendUint32([]byte(head), checksum(c.key, []byte(head)))
	return s
}

func (s *stored) openFor(routes ...string) {
	s.Helper()
	l, err := Open(s.Context(), Options{Store: s.store, Routes: routes})
	if err != nil {
		s.Fatal(err)
	}
	l.Join("a")
	s.ledger = l
}

func TestOldCursorsBecomeOneForEachSink(t *testing.T) {
	const begin = `{"id":{"cluster":"a","clusterUID":"uid","resource":"pods","labels":"app=web"},"digest":"digest","resume":"20","form":"whole"`
	for name, test := range map[string]struct {
		head string
		want map[string]int // by route: what a snapshot delivers
	}{
		"for each that it names":             {begin + `,"sinks":["a","gone"]}`, map[string]int{"a": 0, "gone": 0}},
		"also what is due":                   {begin + `,"sinks":["a"],"resume":"","owed":true}`, map[string]int{"a": 2}},
		"and where it names none, for all":   {begin + `}`, map[string]int{"a": 2, "b": 2}},
		"and what they are called is a name": {begin + `,"sinks":["b"]}`, map[string]int{"b": 0}},
	} {
		t.Run(name, func(t *testing.T) {
			s := oldLedger(t, test.head)
			for killed, run := range []string{"killed before anything is stored", "stored", "read again"} {
				s.openFor("a", "b")
				got := map[string]int{}
				for id := range s.ledger.cursors {
					c, _ := s.ledger.Claim(Claiming{ID: id, Digest: "digest", Selection: Selection{Labels: "app=web"}})
					resumes := c.ResumePoint() == "20"
					if n := c.Stats().Known; n != 2 || int(c.head.Generation) != 1+killed/2 || resumes != (test.want[id.Route] == 0) {
						t.Errorf("%s: of %s %d are known, generation %d, it resumes: %t", run, id.Route, n, c.head.Generation, resumes)
					}
					if run == "stored" {
						continue
					}
					got[id.Route] = s.fillAgain(c, 2)
				}
				if run != "stored" && !cmp.Equal(got, test.want) {
					t.Errorf("%s: delivered %v, want %v", run, got, test.want)
				}
				if run == "stored" {
					s.commit(false)
					if s.store.cursors() != len(test.want) {
						t.Errorf("%d cursors are stored", s.store.cursors())
					}
				}
			}
		})
	}
}

// The names of all routes' objects are in memory once.
func TestRoutesShareTheirNames(t *testing.T) {
	s := oldLedger(t, `{"id":{"cluster":"a","clusterUID":"uid","resource":"pods"},"resume":"20","sinks":["a","b"],"form":"whole"}`)
	s.openFor("a", "b")
	cursors := slices.Collect(maps.Values(s.ledger.cursors))
	one, other := cursors[0], cursors[1]
	c, _ := s.ledger.Claim(Claiming{ID: one.ID()})
	d, _ := s.ledger.Claim(Claiming{ID: other.ID()})
	first := c.Observe(pod(3), at(uuid(3), 30), false, false, nil)
	second := d.Observe(pod(3), at(uuid(3), 30), false, false, &first)
	for cursor, o := range map[*Cursor]Observation{c: first, d: second} {
		cursor.begin(o.Sequence, pod(3), at(uuid(3), 30), false)
		cursor.Ack(o.Sequence, pod(3), at(uuid(3), 30), false)
	}
	for _, i := range []int{1, 2, 3} {
		key := nameOfTest(pod(i))
		x, y := one.acked.get([]byte(key)), other.acked.get([]byte(key))
		if x == nil || y == nil || !sameMemory(x.name, y.name) {
			t.Errorf("pod %d: %v and %v", i, x, y)
		}
	}
}

func appendSum(head []byte, key string) []byte {
	return binary.BigEndian.AppendUint32(head, checksum(key, head))
}
