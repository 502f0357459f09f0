package queue

import (
	"hash/maphash"
	"math/rand/v2"
	"testing"
)

// The table does what a map does, also where hashes collide, wholly or in the
// slots that they point to.
func TestTable(t *testing.T) {
	for name, hash := range map[string]func(tab *table[int, int], key int) uint64{
		"real hashes":  func(tab *table[int, int], key int) uint64 { return tab.hash(key) },
		"all the same": func(*table[int, int], int) uint64 { return 42 },
		"one part":     func(_ *table[int, int], key int) uint64 { return uint64(key * 3) },
		"wrapping":     func(_ *table[int, int], key int) uint64 { return ^uint64(key % 5) },
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, 4))
			tab := &table[int, int]{seed: maphash.MakeSeed(), by: hasher[int]()}
			want := map[int]*entry[int, int]{}
			for round := range 20_000 {
				key := random.IntN(1 + round%500) // fills and empties in turn
				h := hash(tab, key)
				e := tab.find(h, &key)
				if e != want[key] {
					t.Fatalf("round %d: find(%d) = %v, want %v", round, key, e, want[key])
				}
				if e != nil {
					tab.remove(e)
					delete(want, key)
				} else {
					want[key] = &entry[int, int]{key: key, hash: h}
					tab.insert(want[key])
				}
				if tab.n != len(want) {
					t.Fatalf("round %d: %d entries, want %d", round, tab.n, len(want))
				}
			}
			for key, e := range want {
				if tab.find(hash(tab, key), &key) != e {
					t.Errorf("%d is lost", key)
				}
			}
		})
	}
}
