package queue

import (
	"hash/maphash"
	"math/bits"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// Equal identities have equal hashes, wherever their strings are in memory, and
// each string counts, in its place.
func TestHasher(t *testing.T) {
	t.Run("Request", func(t *testing.T) {
		testHasher(t, func(s [4]string) Request {
			return Request{Cluster: s[0], NamespacedName: types.NamespacedName{Namespace: s[1], Name: s[2]}}
		})
	})
	t.Run("string", func(t *testing.T) {
		testHasher(t, func(s [4]string) string { return strings.Join(s[:], "/") })
	})
	t.Run("another struct", func(t *testing.T) {
		testHasher(t, func(s [4]string) [4]string { return s })
	})
}

func testHasher[K comparable](t *testing.T, key func([4]string) K) {
	hash, seed := hasher[K](), maphash.MakeSeed()
	words := []string{"", "a", "b", "ab", "ba", "default", "kube-system", strings.Repeat("long", 60)}
	seen := make(map[uint64]K)
	low := make(map[uint64]int)
	keys := 0
	for i := range len(words) * len(words) * len(words) * len(words) {
		var s [4]string
		for j := range s {
			s[j] = strings.Clone(words[i>>(3*j)%len(words)])
		}
		k := key(s)
		h := hash(seed, k)
		if other, ok := seen[h]; ok {
			if other != k {
				t.Fatalf("%v and %v have the same hash", k, other)
			}
			continue
		}
		seen[h] = k
		low[h%256]++
		keys++
	}
	// As many as there are different keys, or equal ones have had others.
	distinct := make(map[K]struct{}, keys)
	for _, k := range seen {
		distinct[k] = struct{}{}
	}
	if len(distinct) != keys {
		t.Errorf("%d hashes of %d keys", keys, len(distinct))
	}
	for _, n := range low {
		if n > 8*keys/256+16 {
			t.Errorf("%d of %d hashes end in the same 8 bits", n, keys)
		}
	}
	if h := hash(maphash.MakeSeed(), key([4]string{"a", "b", "c", "d"})); bits.OnesCount64(h^hash(seed, key([4]string{"a", "b", "c", "d"}))) < 8 {
		t.Error("the seed does not count")
	}
}

// A Request is not hashed one string after the other.
func TestHasherIsChosen(t *testing.T) {
	seed := maphash.MakeSeed()
	if r := (Request{Cluster: "a"}); hasher[Request]()(seed, r) != hashRequest(seed, r) {
		t.Error("not for Request")
	}
}
