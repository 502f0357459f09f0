package ledger

import (
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"math/rand/v2"
	"testing"
)

// The set and a Go map are driven with the same operations.
func TestObjectsAgainstMap(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 7))
		o, want := newObjects(), map[string]rv{}
		size := 1 + r.IntN(5000)
		if seed%2 == 1 { // it is loaded
			for i := range size {
				k := fmt.Sprintf("\x02ns%d", i)
				o.add(object{version: version{rv: rv(i)}, name: name(k)}, 0)
				want[k] = rv(i)
			}
			o.index()
		}
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
		if unused := capOf(o.places) - len(want); unused > 2*int(perPage) {
			t.Errorf("seed %d: places for %d more than %d objects", seed, unused, len(want))
		}
		if unused := capOf(o.buckets) - len(want); unused > len(want)/8+3*int(perPage) {
			t.Errorf("seed %d: buckets for %d more than %d objects", seed, unused, len(want))
		}
	}
}

// Those that are loaded have the digests that the store has of them.
func TestDigestsOfLoadedObjects(t *testing.T) {
	o := newObjects()
	for i := range 1000 {
		digest := uint64(0)
		if i >= 500 && i%3 == 0 {
			digest = uint64(i)
		}
		o.add(object{name: name(fmt.Sprintf("\x02ns%d", i))}, digest)
	}
	o.index()
	for i := range 1000 {
		want := uint64(0)
		if i >= 500 && i%3 == 0 {
			want = uint64(i)
		}
		if got := o.digest(fmt.Appendf(nil, "\x02ns%d", i)); got != want {
			t.Errorf("the digest of %d is %d, want %d", i, got, want)
		}
	}
}

func capOf[T any](p paged[T]) (n int) {
	for _, page := range p.pages {
		n += cap(page)
	}
	return n
}

// TestObjectsDownwards: who walks down misses none that is there all the while,
// whatever is put and removed between the steps.
func TestObjectsDownwards(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 8))
		o, there := newObjects(), map[name]bool{}
		key := func(i int) name { return name(fmt.Sprintf("\x02ns%d", i)) }
		size := 1 + r.IntN(2000)
		for i := range size {
			o.put(object{name: key(i)})
			there[key(i)] = true
		}
		for i := uint32(size); ; {
			if i = min(i, uint32(o.len())); i == 0 {
				break
			}
			i--
			delete(there, o.at(i).name)
			for range r.IntN(4) {
				switch n := key(r.IntN(2 * size)); {
				case o.get([]byte(n)) == nil:
					o.put(object{name: n})
				default:
					o.remove([]byte(n))
					delete(there, n)
				}
			}
		}
		if len(there) > 0 {
			t.Fatalf("seed %d: %d of %d are missed", seed, len(there), size)
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
		h := maphash.Bytes(o.seed, k) & math.MaxUint32
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
		for i := range o.buckets.n {
			if o.len() != 0 || *o.buckets.at(i) != 0 {
				t.Errorf("%d left, bucket %d has %d", o.len(), i, *o.buckets.at(i))
			}
		}
	}
}
