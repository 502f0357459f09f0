package selection

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
)

// digester makes digests of the fields whose change counts: of what of an object
// remains if only those are kept, byte by byte as the API server sent it. So a server
// that comes to write the same values in another order, or to escape them in another
// way, changes each digest. That costs a delivery of each object, and loses none.
// It may be used concurrently.
type digester struct {
	*projection
	metadata bool // all fields that count are in the metadata
	prefix   []byte
	hash     cipher.AEAD
	buffers  sync.Pool // of *digestion
}

// digestion is the memory that one digest needs.
type digestion struct {
	text  []byte
	nonce [12]byte
	sum   [16]byte
}

// keepDigested is how much memory of a digestion is kept for the next one.
const keepDigested = 256 << 10

// never are the fields whose change never counts: apiVersion and kind do not change, and
// items of lists lack them; the others change with each state.
var never = []path{{{key: "apiVersion"}}, {{key: "kind"}}, inMetadata("resourceVersion"), inMetadata("managedFields")}

// newDigester returns a digester of what each group names and unchanged does not.
func newDigester(changed [][]path, unchanged []path, key []byte) *digester {
	d := &digester{}
	for _, group := range changed {
		d.metadata = d.metadata || allInMetadata(group)
	}
	named := slices.Concat(changed...)
	dropped := slices.Clone(unchanged)
	for _, field := range never {
		if len(changed) == 0 || slices.ContainsFunc(named, func(p path) bool { return p.meets(field) }) {
			dropped = append(dropped, field)
		}
	}
	kept := make([][]path, len(changed))
	for i, group := range changed {
		kept[i] = withMatches(group)
	}
	d.projection = newProjection(kept, dropped, nil, nil)
	paths := sha256.Sum256([]byte(groupsText(changedFields, changed...) + groupsText(unchangedFields, unchanged)))
	d.prefix = paths[:]
	d.hash = newHash(key)
	d.buffers.New = func() any { return new(digestion) }
	return d
}

// withMatches adds, for each element that a path names by a field, that field: otherwise
// what remains of two elements could change places and say the same.
func withMatches(paths []path) []path {
	all := slices.Clone(paths)
	for _, p := range paths {
		for i, s := range p {
			if s.kind == stepMatch {
				all = append(all, append(slices.Clone(p[:i+1]), step{key: s.key}))
			}
		}
	}
	return all
}

func allInMetadata(paths []path) bool {
	for _, p := range paths {
		if p[0].kind != stepKey || p[0].key != "metadata" {
			return false
		}
	}
	return true
}

// newHash returns a cipher whose tag of a text is its hash. Two texts have the same
// hash by chance only, also if somebody chose them who may write objects and wants a
// change of them to go unseen: that needs a hash with a key that nobody knows. (With
// a fixed nonce, GMAC is such a universal hash. It is no authentication, and none is
// needed: nobody is shown a digest. So FIPS 140-only mode, which allows GCM with random
// nonces alone, need not watch over it.)
func newHash(key []byte) cipher.AEAD {
	sum := sha256.Sum256(append([]byte("fairlead: digests of fields\n"), key...))
	block, err := aes.NewCipher(sum[:])
	if err != nil {
		panic(fmt.Sprintf("selection: AES with a key of 32 bytes: %v", err)) // not reached
	}
	var hash cipher.AEAD
	fips140.WithoutEnforcement(func() { hash, err = cipher.NewGCM(block) })
	if err != nil {
		panic(fmt.Sprintf("selection: GCM of AES: %v", err)) // not reached
	}
	return hash
}

// processKey is the key of digests if none is given.
var processKey = sync.OnceValue(func() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return key
})

// digest returns the digest of an object. It is never 0.
func (d *digester) digest(object []byte) uint64 {
	b := d.buffers.Get().(*digestion)
	defer func() {
		if cap(b.text) <= keepDigested {
			d.buffers.Put(b)
		}
	}()
	b.text = d.append(append(b.text[:0], d.prefix...), object)
	if fips140.Enforced() {
		fips140.WithoutEnforcement(func() { d.hash.Seal(b.sum[:0], b.nonce[:], nil, b.text) }) // see newHash
	} else {
		d.hash.Seal(b.sum[:0], b.nonce[:], nil, b.text)
	}
	return max(binary.LittleEndian.Uint64(b.sum[:]), 1)
}
