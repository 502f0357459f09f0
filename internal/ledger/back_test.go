package ledger

import "testing"

// A cluster that is back is numbered above the deletions of the one between, also after a
// kill that has stored no more than that these are over.
func TestNumbersOfAClusterThatIsBackAndKilled(t *testing.T) {
	s := newStored(t)
	a, _ := s.of("A", "", "")
	s.tell(a, objectsIn("a"))
	b, _ := s.of("B", "", "")
	b.numberAbove(b.numbers.last + 10000*numbersAhead) // the clock has been set back since
	s.tell(b, objectsIn("a"))
	s.commit(true)
	c, former := s.of("A", "", "")
	s.commit(true)
	s.takeLeave(c, former)
	last := b.numbers.last
	s.commit(false) // notes only
	s.open()        // killed
	s.ledger.Join("a")
	c, former = s.of("A", "", "")
	if o := c.Observe(Name{"a", "x"}, at(uid1, 5), false, true, nil); len(former) == 0 && o.Sequence <= last {
		t.Errorf("number %d, and the last deletion has %d", o.Sequence, last)
	}
}
