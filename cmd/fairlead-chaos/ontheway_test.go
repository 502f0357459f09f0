package main

import (
	"context"
	"slices"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

func TestWentBack(t *testing.T) {
	a, b, c := replay.Object{Name: "a"}, replay.Object{Name: "b"}, replay.Object{Name: "c"}
	before := map[replay.Object]mark{a: {1, 9}, b: {2, 5}, c: {2, 5}}
	for _, test := range []struct {
		after map[replay.Object]mark
		want  int
	}{
		{map[replay.Object]mark{a: {2, 1}, b: {2, 5}}, 0}, // c was purged
		{map[replay.Object]mark{a: {1, 8}, b: {1, 99}, c: {2, 4}}, 3},
	} {
		if got := wentBack(before, test.after); len(got) != test.want {
			t.Errorf("%v: %q, want %d", test.after, got, test.want)
		}
	}
	if term := highest(before); term != 2 {
		t.Errorf("the highest term is %d, want 2", term)
	}
	if _, err := newMark("1", "x"); err == nil {
		t.Error("no error of a sequence that is no number")
	}
}

// What several replicas have delivered: a destination that compares terms takes none of an
// earlier one late, whoever reads another one orders by them, and what nobody could tell is
// no ghost.
func TestCheckOfSeveral(t *testing.T) {
	object := func(name string) replay.Object {
		return replay.Object{Cluster: "m", Resource: "configmaps", Namespace: "n", Name: name, UID: name}
	}
	event := func(name, version, term, sequence string) replay.Event {
		return replay.Event{Object: object(name), ID: name + version + term, ResourceVersion: version, Term: term, Sequence: sequence}
	}
	held := map[replay.Object]string{object("a"): "2"}
	late := []replay.Event{event("a", "1", "1", "1"), event("a", "2", "2", "2"), event("a", "1", "1", "1")}
	compares := func(context.Context) (map[replay.Object]mark, error) {
		return map[replay.Object]mark{{Cluster: "m", Resource: "configmaps", Namespace: "n", Name: "gone"}: {1, 1}, {Cluster: "m", Resource: "configmaps", Namespace: "n", Name: "a"}: {2, 2}}, nil
	}
	state := func(context.Context) (map[replay.Object]string, error) {
		return map[replay.Object]string{object("a"): "2", object("gone"): "1"}, nil
	}
	for _, test := range []struct {
		name                     string
		d                        destination
		events                   []replay.Event
		by                       delivery
		ghosts, order, old, byID int // a repeat is not out of order
	}{
		{"a late write, taken", destination{marks: compares}, late, delivery{several: true}, 0, 0, 1, 0},
		{"a late write where nobody compares", destination{}, late, delivery{several: true}, 0, 0, 0, 0},
		{"out of order within a term", destination{}, []replay.Event{event("a", "2", "1", "2"), event("a", "1", "1", "1")}, delivery{several: true}, 0, 1, 0, 1},
		{"gone while nobody delivered", destination{}, append(late[:2:2], event("gone", "1", "1", "1")), delivery{several: true, forgetful: true}, 0, 0, 0, 0},
		{"gone, and told of since", destination{}, append(late[:2:2], event("gone", "1", "2", "1")), delivery{several: true, forgetful: true}, 1, 0, 0, 0},
		{"a ledger remembers", destination{}, append(late[:2:2], event("gone", "1", "1", "1")), delivery{several: true}, 1, 0, 0, 1},
		{"a row of what has gone", destination{marks: compares, held: state}, nil, delivery{several: true, forgetful: true}, 0, 0, 0, 0},
		{"the same with a ledger", destination{marks: compares, held: state}, nil, delivery{several: true}, 1, 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.events != nil {
				test.d.events = func(context.Context) ([]replay.Event, error) { return slices.Clone(test.events), nil }
			}
			f, err := test.d.check(t.Context(), held, []string{"m"}, test.by)
			if err != nil {
				t.Fatal(err)
			}
			if len(f.Ghosts)+len(f.ByNumber.Ghosts) != test.ghosts || len(f.ByNumber.OutOfOrder) != test.order || len(f.OldTerms) != test.old || len(f.ByID.all()) != test.byID || len(f.Missing)+len(f.ByNumber.Missing) > 0 {
				t.Errorf("%+v", f)
			}
		})
	}
}
