package stage

import (
	"hash/maphash"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// Each string of a key counts, in its place, and so does the seed.
func TestHashKey(t *testing.T) {
	seed := maphash.MakeSeed()
	seen := map[uint64]pipeline.Key{}
	words := []string{"", "a", "b", "ab", "default"}
	for i := range len(words) * len(words) * len(words) * len(words) {
		word := func(at int) string {
			for range at {
				i /= len(words)
			}
			return words[i%len(words)]
		}
		k := pipeline.Key{Cluster: word(0), Resource: word(1), Namespace: word(1), Name: word(1)}
		h := hashKey(seed, k)
		if other, ok := seen[h]; ok {
			t.Fatalf("%v and %v have the same hash", k, other)
		}
		seen[h] = k
		if h == hashKey(maphash.MakeSeed(), k) {
			t.Fatalf("the seed does not count for %v", k)
		}
	}
}
