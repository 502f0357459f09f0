package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// A standing follows an object from its first state to its deletion.
func TestStanding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCursor(StreamID{}, nil)
		a := Name{"ns", "a"}
		want := func(what string, want Standing) {
			t.Helper()
			if diff := cmp.Diff(want, c.Standing(a)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		c.BeginSnapshot()
		want("nothing is known", Standing{})
		began := time.Now()
		sequence, _ := c.observe(a, at(uid1, 10), false, true)
		want("observed", Standing{Pending: true, Version: "10", Since: began})
		endSnapshot(c, "20")
		c.Seen("20")
		time.Sleep(time.Second)
		if _, _, _, superseded := c.Begin(sequence, a, at(uid1, 10), false); superseded {
			t.Fatal("it is superseded")
		}
		want("begun", Standing{Pending: true, Version: "10", Since: began, Begun: true, Known: true, Position: "20"})
		c.observe(a, at(uid1, 30), false, false)
		want("a newer one comes", Standing{Pending: true, Version: "30", Since: began, Begun: true, Known: true, Position: "20"})
		c.Ack(sequence, a, at(uid1, 10), false)
		want("the first one is accepted", Standing{
			Acked: at(uid1, 10), Known: true, Pending: true, Version: "30", Since: began.Add(time.Second), Position: "20",
		})
		newer, _ := c.observe(a, at(uid1, 40), true, false)
		c.Begin(newer, a, at(uid1, 40), true)
		want("it is deleted", Standing{
			Acked: at(uid1, 10), Known: true, Pending: true, Version: "40", Deletion: true, Since: began.Add(time.Second), Begun: true, Position: "20",
		})
		c.Ack(newer, a, at(uid1, 40), true)
		c.Seen("40")
		if s := c.Standing(a); s.Known || s.Pending || s.Position != "40" {
			t.Errorf("after the deletion: %+v", s)
		}
	})
}

// What is to be delivered again, and what the store has yet to note.
func TestStandingOfWhatIsDue(t *testing.T) {
	c := newCursor(StreamID{}, nil)
	a := Name{"", "a"}
	deliver(t, c, a, at(uid3, 10), false, false)
	c.RaiseDue()
	if s := c.Standing(a); !s.Due || s.Acked.UID != uid3 {
		t.Errorf("%+v, want what is due, with its UID", s)
	}
	c.unstoredIntents["\x00a"] = 1
	if s := c.Standing(a); !s.Unstored {
		t.Errorf("%+v, want what is not stored", s)
	}
}

// What the sink has is told of versions that are numbers and of those that are none.
func TestHas(t *testing.T) {
	c := newCursor(StreamID{}, nil)
	a, b := Name{"", "a"}, Name{"", "b"}
	deliver(t, c, a, at(uid3, 10), false, false)
	other := at(uid3, 10)
	other.ResourceVersion = "abc-1"
	deliver(t, c, b, other, false, false)
	another := other
	another.ResourceVersion = "abc-2"
	for _, test := range []struct {
		of   Name
		at   Version
		want bool
	}{
		{a, at(uid3, 9), true}, {a, at(uid3, 10), true}, {a, at(uid3, 11), false}, {a, at(uid2, 10), false},
		{b, other, true}, {b, another, false}, {Name{"", "c"}, other, false},
	} {
		if got := c.Has(test.of, test.at); got != test.want {
			t.Errorf("Has(%v, %v) = %v", test.of, test.at, got)
		}
	}
}
