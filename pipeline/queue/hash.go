package queue

import (
	"hash/maphash"
	"math/bits"
)

// hasher returns how identities are hashed. What is said of maphash.Comparable
// holds: equal ones have equal hashes, and who does not know the seed cannot
// choose names that collide.
//
// maphash.Comparable hashes the strings of a struct one after the other, each
// with the hash of those before as its seed. For a Request the
// strings are hashed independently, so that the processor
// works on all of them at once.
func hasher[K comparable]() func(seed maphash.Seed, key K) uint64 {
	for _, known := range []any{hashRequest, maphash.String} {
		if hash, ok := known.(func(maphash.Seed, K) uint64); ok {
			return hash
		}
	}
	return maphash.Comparable[K]
}

// The rotations tell the strings of one identity apart.

func hashRequest(seed maphash.Seed, r Request) uint64 {
	return maphash.String(seed, r.Name) ^
		bits.RotateLeft64(maphash.String(seed, r.Namespace), 17) ^
		bits.RotateLeft64(maphash.String(seed, r.Cluster), 37)
}
