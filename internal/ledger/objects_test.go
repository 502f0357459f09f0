package ledger

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

// The set and a Go map are driven with the same operations.
func TestObjectsAgainstMap(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 7))
		o, want := newObjects(), map[string]rv{}
		size := 1 + r.IntN(5000)
		for i := range 20_000 {
			if i%5000 == 0 {
				size = 1 + r.IntN(5000) // it grows and shrinks
			}
			k := fmt.Sprintf("\x02ns%d", r.IntN(6000))
			_, ok := want[k]
			switch e := o.get([]byte(k)); {
			case (e != nil) != ok || ok && e.rv != want[k]:
				t.Fatalf("seed %d: get(%q) = %+v, want %v %v", seed, k, e, want[k], ok)
			case !ok && len(want) < size:
				o.put(object{version: version{rv: rv(i)}, name: name(k)})
				want[k] = rv(i)
			case ok && (len(want) > size || r.IntN(2) == 0):
				o.remove([]byte(k))
				delete(want, k)
			case ok:
				e.rv = rv(i)
				want[k] = rv(i)
			default:
				o.remove([]byte(k)) // not there
			}
		}
		got := map[string]rv{}
		for e := range o.all() {
			got[string(e.name)] = e.rv
		}
		if !maps.Equal(got, want) || o.len() != len(want) {
			t.Fatalf("seed %d: %d objects, len %d, want %d", seed, len(got), o.len(), len(want))
		}
		if pages := len(o.pages); pages > 8 && pages*objectsPerPage > 4*len(want)+4*objectsPerPage {
			t.Errorf("seed %d: %d pages for %d objects", seed, pages, len(want))
		}
	}
}

// Two objects whose names have the same hash.
func TestObjectsWithOneHash(t *testing.T) {
	o := newObjects()
	seen := map[uint64][]byte{}
	var a, b []byte
	for i := 0; a == nil && i < 1<<20; i++ {
		k := fmt.Appendf(nil, "\x00%d", i)
		h := uint64(o.hash(k))
		a, b = seen[h], k
		seen[h] = k
	}
	if a == nil {
		t.Skip("no two names with one hash among a million")
	}
	for _, order := range [][2][]byte{{a, b}, {b, a}} {
		o.put(object{version: version{rv: 1}, name: name(a)})
		o.put(object{version: version{rv: 2}, name: name(b)})
		if x, y := o.get(a), o.get(b); x == nil || y == nil || x.rv != 1 || y.rv != 2 {
			t.Fatalf("%q and %q: %v %v", a, b, x, y)
		}
		o.remove(order[0])
		if o.get(order[0]) != nil || o.get(order[1]) == nil {
			t.Errorf("after one is removed: %v %v", o.get(order[0]), o.get(order[1]))
		}
		o.remove(order[1])
		if o.len() != 0 || len(o.index) != 0 {
			t.Errorf("%d left, %d in the index", o.len(), len(o.index))
		}
	}
}
