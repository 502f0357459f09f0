package queue

import "hash/maphash"

// tableParts is how many parts a table has, each of which grows by itself: so
// that no growing holds up the queue for long. It is a power of two.
const (
	tableParts    = 64
	tablePartBits = 6
	leastSlots    = 8
)

// table finds entries by their identity. It is a map that hashes an identity
// once for all that a call of the queue does, and before the queue's lock is
// taken; and that keeps no second copy of it. Slots are searched one after the
// other from where the hash points to, and what is taken out leaves no gap.
type table[T, K comparable] struct {
	seed  maphash.Seed
	by    func(maphash.Seed, K) uint64
	parts [tableParts]part[T, K]
	n     int
}

type part[T, K comparable] struct {
	slots []slot[T, K] // none or a power of two, a quarter of them empty
	n     int
}

type slot[T, K comparable] struct {
	hash  uint64
	entry *entry[T, K] // nil: empty
}

// hash may be called at any time.
func (t *table[T, K]) hash(key K) uint64 { return t.by(t.seed, key) }

func (t *table[T, K]) part(hash uint64) *part[T, K] { return &t.parts[hash>>(64-tablePartBits)] }

// find returns the entry of an identity with the given hash, nil if there is none.
func (t *table[T, K]) find(hash uint64, key *K) *entry[T, K] {
	slots := t.part(hash).slots
	if len(slots) == 0 {
		return nil
	}
	mask := uint64(len(slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &slots[i]
		if s.entry == nil || s.hash == hash && s.entry.key == *key {
			return s.entry
		}
	}
}

// insert takes in an entry, by its hash. There must be none of that identity.
func (t *table[T, K]) insert(e *entry[T, K]) {
	p := t.part(e.hash)
	if 4*(p.n+1) > 3*len(p.slots) {
		p.grow()
	}
	p.place(slot[T, K]{e.hash, e})
	p.n++
	t.n++
}

func (p *part[T, K]) grow() {
	old := p.slots
	p.slots = make([]slot[T, K], max(2*len(old), leastSlots))
	for _, s := range old {
		if s.entry != nil {
			p.place(s)
		}
	}
}

func (p *part[T, K]) place(s slot[T, K]) {
	mask := uint64(len(p.slots) - 1)
	i := s.hash & mask
	for p.slots[i].entry != nil {
		i = (i + 1) & mask
	}
	p.slots[i] = s
}

// remove takes out an entry that is there.
func (t *table[T, K]) remove(e *entry[T, K]) {
	p := t.part(e.hash)
	mask := uint64(len(p.slots) - 1)
	gap := e.hash & mask
	for p.slots[gap].entry != e {
		gap = (gap + 1) & mask
	}
	// Whoever stands behind the gap and may stand in it, moves there.
	for i := (gap + 1) & mask; p.slots[i].entry != nil; i = (i + 1) & mask {
		if home := p.slots[i].hash & mask; (i-home)&mask >= (i-gap)&mask {
			p.slots[gap] = p.slots[i]
			gap = i
		}
	}
	p.slots[gap] = slot[T, K]{}
	p.n--
	t.n--
}
