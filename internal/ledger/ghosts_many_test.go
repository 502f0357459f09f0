package ledger

import (
	"slices"
	"testing"
)

// A ledger of an earlier version may have many UIDs under a name. The ack of one does not move
// those behind it, so all of them take as long as there are many.
func TestManyUIDsOfANameAreAckedInPlace(t *testing.T) {
	const n = 5_000
	c := newCursor(StreamID{}, nil)
	at := nameOfTest(pod(1))
	for i := range n {
		c.hold(pod(1), at20(i))
	}
	last := &c.unackedUIDs[at][n-1]
	for left := n; left > 0; left-- {
		if u := c.unackedUIDs[at][:left]; &u[left-1] != last {
			t.Fatalf("with %d left, they have moved", left)
		}
		// Of those that are told at once, one near the end of them is acked first, at times.
		told := c.ghostsLocked(nil, c.unackedUIDs[at], uid{})
		c.AckGhost(pod(1), told[min(left%7*9, len(told)-1)])
		if len(c.unackedUIDs[at]) != left-1 {
			t.Fatalf("%d are left of %d", len(c.unackedUIDs[at]), left-1)
		}
	}
	if u := c.recount(); u != c.usage {
		t.Errorf("%+v are counted of what takes %+v", c.usage, u)
	}
}

func TestWithoutUID(t *testing.T) {
	versions := func(uids ...byte) (all []version) {
		for i, u := range uids {
			all = append(all, version{uid{u}, rv(i)})
		}
		return all
	}
	for _, test := range []struct {
		all  []version
		want []byte
	}{
		{nil, nil},
		{versions(1), nil},
		{versions(2, 3), []byte{2, 3}},
		{versions(1, 2, 3), []byte{2, 3}},
		{versions(2, 1, 3, 1, 4), []byte{2, 3, 4}},
		{versions(2, 3, 1), []byte{2, 3}},
		{versions(1, 1, 1), nil},
	} {
		var got []byte
		for _, h := range withoutUID(slices.Clone(test.all), uid{1}) {
			got = append(got, h.uid[0])
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%v becomes %v, want %v", test.all, got, test.want)
		}
	}
}
