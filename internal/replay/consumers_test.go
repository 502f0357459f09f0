package replay_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

func held(word string) map[replay.Object]string {
	if word == "" {
		return nil
	}
	return map[replay.Object]string{object(word[:1]): word[1:]}
}

func TestByID(t *testing.T) {
	type want struct{ Missing, Ghosts, OutOfOrder, Dropped int }
	for _, test := range []struct {
		name, told, held string
		want             want
	}{
		{name: "nothing"},
		{name: "equal", told: "A1 A2", held: "A2"},
		{name: "repeats", told: "A1 A2 A1 A2", held: "A2", want: want{Dropped: 2}},
		{name: "a repeat in another generation", told: "A1 A2 A1/g1", held: "A1"},
		{name: "deleted", told: "A1 -A2"},
		{name: "a deletion again", told: "A1 -A2 A1 -A2", want: want{Dropped: 2}},
		{name: "selected again in another generation", told: "A1 ~A2/g1 A1/g2", held: "A1"},
		{name: "selected again, with the id of before", told: "A1 ~A2 A1", held: "A1", want: want{Missing: 1, Dropped: 1}},
		{name: "one deletion's id for two", told: "A1 ~A2 A1/g1 ~A2", want: want{Ghosts: 1, Dropped: 1}},
		{name: "what was skipped comes with a repeat", told: "A1 A3 A2 A3", held: "A3", want: want{Missing: 1, OutOfOrder: 1, Dropped: 1}},
		{name: "what was skipped comes with a deletion's repeat", told: "A1 -A3 A2 -A3", want: want{Ghosts: 1, Dropped: 1}},
		{name: "the deletion of one, the state of another", told: "A1 ~A2 B2", held: "B2"},
		{name: "a deletion is lost", told: "A1 B2", held: "B2", want: want{Ghosts: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := replay.NewByID()
			for word := range strings.FieldsSeq(test.told) {
				c.Apply(parse(t, word))
			}
			d := c.Compare(held(test.held))
			if diff := cmp.Diff(test.want, want{len(d.Missing), len(d.Ghosts), len(c.OutOfOrder), c.Dropped}); diff != "" {
				t.Errorf("%s\n%v\n%v", diff, d, c.OutOfOrder)
			}
		})
	}
}

// The id alone does not tell two clusters apart.
func TestByIDOfTwoClusters(t *testing.T) {
	c := replay.NewByID()
	other := parse(t, "A1")
	other.Cluster = "d"
	c.Apply(parse(t, "A1"))
	c.Apply(other)
	if c.Dropped != 0 {
		t.Error("it has dropped what another cluster told")
	}
	if d := c.Compare(held("A1"), "c"); !d.Equal() {
		t.Error("compared with one cluster:", d)
	}
}

func TestByNumber(t *testing.T) {
	type want struct{ Missing, Ghosts, OutOfOrder int }
	for _, test := range []struct {
		name, told, held string
		want             want
	}{
		{name: "nothing"},
		{name: "equal", told: "A1@2 A2@4", held: "A2"},
		{name: "repeats", told: "A1@2 A2@4 A1@2 A2@4", held: "A2"},
		{name: "again, after a crash", told: "A1@2 A3@4 A2@100 A3@102", held: "A3"},
		{name: "deleted", told: "A1@2 -A2@4"},
		{name: "another has the name", told: "A1@2 ~A5@3 B5@4", held: "B5"},
		{name: "two others have had the name", told: "A1@2 ~A5@5 ~B5@5 C5@6", held: "C5"},
		{name: "selected again", told: "A1@2 ~A9/g1@4 A1/g2@6", held: "A1"},
		{name: "a number goes back, a version forward", told: "A1@4 A2@2", held: "A2", want: want{Missing: 1, OutOfOrder: 1}},
		{name: "a deletion's number goes back", told: "A1@4 -A2@2", want: want{Ghosts: 1, OutOfOrder: 1}},
		{name: "a state's goes behind its deletion's", told: "-A2@4 A1@2", want: want{OutOfOrder: 1}},
		{name: "a ghost's deletion has its successor's number", told: "A1@2 ~A5@4 B5@4", held: "B5", want: want{OutOfOrder: 1}},
		{name: "one number for two states", told: "A1@2 A2@2", held: "A2", want: want{OutOfOrder: 1}},
		{name: "one number in two generations", told: "A1@2 A1/g1@2", held: "A1", want: want{OutOfOrder: 1}},
		{name: "no number", told: "A1@2 A2", held: "A2", want: want{Missing: 1, OutOfOrder: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var all []replay.Event
			numbers := replay.NewNumbers()
			for word := range strings.FieldsSeq(test.told) {
				e := parse(t, word)
				numbers.Apply(e)
				all = append(all, e)
			}
			random := rand.New(rand.NewPCG(1, 1))
			for i := range 50 {
				c := replay.NewByNumber()
				for _, e := range all {
					c.Apply(e)
				}
				d := c.Compare(held(test.held))
				got := want{len(d.Missing), len(d.Ghosts), len(numbers.OutOfOrder)}
				if strings.Contains(test.name, "number for two") || strings.Contains(test.name, "successor's") {
					got.Missing, got.Ghosts = 0, 0 // depends on which comes first
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Fatalf("order %d: %s\n%v\n%v", i, diff, d, numbers.OutOfOrder)
				}
				random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			}
		})
	}
}

func TestTermsBeforeSequences(t *testing.T) {
	late, early := parse(t, "A2@2"), parse(t, "A1@9")
	late.Term = "00000000000000000002"
	for _, order := range [][]replay.Event{{late, early}, {early, late}} {
		c := replay.NewByNumber()
		for _, e := range order {
			c.Apply(e)
		}
		if d := c.Compare(held("A2")); !d.Equal() {
			t.Error(d)
		}
	}
	n := replay.NewNumbers()
	n.Apply(early)
	n.Apply(late)
	if len(n.OutOfOrder) > 0 {
		t.Error(n.OutOfOrder)
	}
}

// Objects may leave what is selected, and come back.
func TestOrderOfSelected(t *testing.T) {
	for _, test := range []struct {
		name, told string
		outOfOrder int
	}{
		{name: "it leaves by a change, and comes back by one", told: "A1 -A2 A3"},
		{name: "it comes back older", told: "A1 A3 -A4 A2", outOfOrder: 1},
		{name: "it comes back as it left", told: "A1 -A2 A2", outOfOrder: 1},
		{name: "narrowed and widened", told: "A1 A2 restart ~A9/g1 stored:9 stored-A restart A2/g2 A3/g2"},
		{name: "widened in the generation of before", told: "A1 A2 restart ~A9/g1 stored:9 stored-A restart A2/g1", outOfOrder: 1},
		{name: "widened, with something older after something newer", told: "A1 A2 restart ~A9/g1 restart A2/g2 A1/g2", outOfOrder: 1},
		{name: "widened, and older than what was stored since", told: "A1 ~A9/g1 restart A2/g2 A3/g2 stored:3 restart A2/g2", outOfOrder: 1},
		{name: "deleted when it was back", told: "A1 -A2 A3 -A4"},
		{name: "another has its name", told: "A1 -A2 B3 A4", outOfOrder: 1},
		{name: "a crash repeats all of it", told: "A1 -A2 A3 restart A1 -A2 A3"},
		{name: "a crash repeats its leaving", told: "A1 -A2 restart A1 -A2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := replay.New()
			s.Selective = true
			applyTo(t, s, test.told)
			if len(s.OutOfOrder) != test.outOfOrder {
				t.Errorf("%d out of order, want %d:\n%s", len(s.OutOfOrder), test.outOfOrder, strings.Join(s.OutOfOrder, "\n"))
			}
		})
	}
	if s := apply(t, "A1 -A2 A3"); len(s.OutOfOrder) != 1 {
		t.Error("where everything is selected, an object came back from the dead")
	}
}
