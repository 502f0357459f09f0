package compare

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/fairlead-dev/fairlead/sources"
)

// Bounds of a table.
const (
	mostRows  = 1 << 20
	mostBytes = 256 << 20
	chunkSize = 64 << 10
)

var errTooMany = fmt.Errorf("more than %d objects, or %d MiB of their names; compare a part of them with --sample", mostRows, mostBytes>>20)

// table holds what a member has: a row for each object, found by name. Texts are in chunks,
// which are never copied. With a sample it keeps the rows of the smallest hashes; as the seed is
// random, these are as good as drawn by lot, and the same ones are taken of the sink.
type table struct {
	seed   maphash.Seed
	sample int // rows to keep; 0: all
	limit  uint64
	rows   []row
	chunks [][]byte
	bytes  int
}

// row is one object. Its text is name, namespace, UID and version, each behind its length.
type row struct {
	hash   uint64
	digest uint64
	chunk  uint32
	at     uint32 // in the chunk
	flags  uint8
}

const (
	unselected uint8 = 1 << iota
	undecided
	seen // in the sink
)

func newTable(seed maphash.Seed, sample int) *table {
	return &table{seed: seed, sample: sample, limit: ^uint64(0)}
}

func (t *table) hash(namespace, name string) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	_, _ = h.WriteString(namespace) // never fails
	_ = h.WriteByte(0)
	_, _ = h.WriteString(name)
	return h.Sum64()
}

// takes reports whether an object is in the sample, as far as that is known. After sort it is.
func (t *table) takes(hash uint64) bool { return hash <= t.limit }

// add adds an object.
func (t *table) add(o *sources.ListedObject) error {
	hash := t.hash(o.Namespace, o.Name)
	if !t.takes(hash) {
		return nil
	}
	if len(t.rows) >= mostRows || t.bytes > mostBytes {
		return errTooMany
	}
	r := row{hash: hash, digest: o.Digest}
	if o.Unselected {
		r.flags |= unselected
	}
	if o.Undecided {
		r.flags |= undecided
	}
	r.chunk, r.at = t.keep(o.Name, o.Namespace, o.UID, o.ResourceVersion)
	t.rows = append(t.rows, r)
	if t.sample > 0 && len(t.rows) >= 2*t.sample+1024 {
		t.shrink()
	}
	return nil
}

// keep stores texts, and returns where.
func (t *table) keep(texts ...string) (chunk, at uint32) {
	n := 0
	for _, s := range texts {
		n += len(s) + binary.MaxVarintLen32
	}
	last := len(t.chunks) - 1
	if last < 0 || cap(t.chunks[last])-len(t.chunks[last]) < n {
		t.chunks = append(t.chunks, make([]byte, 0, max(n, chunkSize)))
		t.bytes += max(n, chunkSize)
		last++
	}
	c := t.chunks[last]
	at = uint32(len(c))
	for _, s := range texts {
		c = binary.AppendUvarint(c, uint64(len(s)))
		c = append(c, s...)
	}
	t.chunks[last] = c
	return uint32(last), at
}

// shrink keeps the sample, and moves its texts together.
func (t *table) shrink() {
	t.order()
	if len(t.rows) <= t.sample {
		return
	}
	t.rows = t.rows[:t.sample]
	t.limit = t.rows[t.sample-1].hash
	old := *t
	t.chunks, t.bytes = nil, 0
	for i := range t.rows {
		o := old.object(&old.rows[i])
		t.rows[i].chunk, t.rows[i].at = t.keep(o.Name, o.Namespace, o.UID, o.ResourceVersion)
	}
}

func (t *table) order() {
	slices.SortFunc(t.rows, func(a, b row) int { return cmp.Compare(a.hash, b.hash) })
}

// sort ends the additions: from here on find works.
func (t *table) sort() {
	t.order()
	if t.sample > 0 {
		t.shrink()
	}
}

// object returns what was added.
func (t *table) object(r *row) sources.ListedObject {
	rest := t.chunks[r.chunk][r.at:]
	var texts [4]string
	for i := range texts {
		n, size := binary.Uvarint(rest)
		texts[i] = string(rest[size : size+int(n)])
		rest = rest[size+int(n):]
	}
	return sources.ListedObject{
		Name: texts[0], Namespace: texts[1], UID: texts[2], ResourceVersion: texts[3],
		Unselected: r.flags&unselected != 0, Undecided: r.flags&undecided != 0, Digest: r.digest,
	}
}

// find returns the row of an object; nil: there is none.
func (t *table) find(hash uint64, namespace, name string) (*row, sources.ListedObject) {
	i, _ := slices.BinarySearchFunc(t.rows, hash, func(r row, h uint64) int { return cmp.Compare(r.hash, h) })
	for ; i < len(t.rows) && t.rows[i].hash == hash; i++ {
		if o := t.object(&t.rows[i]); o.Namespace == namespace && o.Name == name {
			return &t.rows[i], o
		}
	}
	return nil, sources.ListedObject{}
}
