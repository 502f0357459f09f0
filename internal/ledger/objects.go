package ledger

import (
	"hash/maphash"
	"iter"
	"math/bits"
	"unsafe"
)

// object is an acked state. It takes 48 bytes, beside the name's own.
type object struct {
	version
	name  name
	epoch uint16 // of the snapshot that listed it last
	due   uint16 // the cursor's when the acked state was observed; another one: it is due
	next  uint32 // +1 of the place of the next one in the same bucket; 0: none
}

// objects is the set of acked states: most of a cursor's memory, and there is one
// for each sink.
//
// A Go map of them would hold up to 2.3 times what is in it, just after it has
// grown. So they lie side by side in pages, and what finds them is a linear hash
// table (Litwin, 1980): it grows and shrinks by one bucket at a time, with as many
// buckets as objects. It takes four bytes of each at any size, and no put or
// remove has to go over them all.
type objects struct {
	seed    maphash.Seed
	buckets paged[uint32] // +1 of the place of each one's first; 0: it is empty
	places  paged[object]
	// digests has those of the acked states, by place; 0: it is not known. It is empty
	// until there is one.
	digests paged[keptDigest]
}

func newObjects() objects { return objects{seed: maphash.MakeSeed()} }

func (o *objects) len() int { return int(o.places.n) }

// at returns what is in a place. Places run from 0 to the number of objects. A put
// adds the last one; a remove moves the object in the last one to that which it
// leaves empty. So who walks down from the last place misses none that is there all
// the while, whatever is put and removed meanwhile.
func (o *objects) at(i uint32) *object { return o.places.at(i) }

// bucket returns the number of the bucket of a name.
func (o *objects) bucket(hash uint64) uint32 {
	mask := uint32(1)<<bits.Len32(o.buckets.n-1) - 1
	i := uint32(hash) & mask
	if i >= o.buckets.n { // it is not split yet
		i &= mask >> 1
	}
	return i
}

func (o *objects) bucketOf(n name) uint32 { return o.bucket(maphash.String(o.seed, string(n))) }

// get returns the object of that name, nil if there is none. What it returns
// is valid until the next put or remove.
func (o *objects) get(key []byte) *object {
	if place, ok := o.find(key); ok {
		return o.at(place)
	}
	return nil
}

// find returns the place of the object of that name.
func (o *objects) find(key []byte) (place uint32, ok bool) {
	if o.places.n == 0 {
		return 0, false
	}
	for i := *o.buckets.at(o.bucket(maphash.Bytes(o.seed, key))); i != 0; {
		e := o.at(i - 1)
		if string(e.name) == string(key) {
			return i - 1, true
		}
		i = e.next
	}
	return 0, false
}

// digest returns the digest of the object of that name; 0: it is not known.
func (o *objects) digest(key []byte) uint64 {
	if o.digests.n > 0 {
		if place, ok := o.find(key); ok {
			return o.digests.at(place).number()
		}
	}
	return 0
}

// setDigest sets the digest of an object that is there.
func (o *objects) setDigest(key []byte, digest uint64) {
	if digest == 0 && o.digests.n == 0 {
		return
	}
	place, ok := o.find(key)
	if !ok {
		return
	}
	for o.digests.n < o.places.n {
		o.digests.push(keptDigest{})
	}
	*o.digests.at(place) = keep(digest)
}

// dropDigests forgets all digests.
func (o *objects) dropDigests() { o.digests = paged[keptDigest]{} }

// put adds an object that is not there yet.
func (o *objects) put(e object) {
	for o.buckets.n <= o.places.n {
		o.split()
	}
	first := o.buckets.at(o.bucketOf(e.name))
	e.next = *first
	o.places.push(e)
	*first = o.places.n
	if o.digests.n > 0 {
		o.digests.push(keptDigest{})
	}
}

// add is put for many, with the digest of each: they are found once index is called.
func (o *objects) add(e object, digest uint64) {
	o.places.push(e)
	if digest == 0 && o.digests.n == 0 {
		return
	}
	for o.digests.n < o.places.n {
		o.digests.push(keptDigest{})
	}
	*o.digests.at(o.places.n - 1) = keep(digest)
}

// index makes the buckets of objects that were added to an empty set. It hashes each name
// once. To split a bucket for each object takes several times as long.
func (o *objects) index() {
	for o.buckets.n < o.places.n {
		o.buckets.push(0)
	}
	for i := range o.places.n {
		e := o.at(i)
		first := o.buckets.at(o.bucketOf(e.name))
		e.next, *first = *first, i+1
	}
}

// remove removes an object, if it is there.
func (o *objects) remove(key []byte) {
	if o.places.n == 0 {
		return
	}
	link := o.buckets.at(o.bucket(maphash.Bytes(o.seed, key)))
	for *link != 0 && string(o.at(*link-1).name) != string(key) {
		link = &o.at(*link - 1).next
	}
	if *link == 0 {
		return
	}
	place := *link - 1
	gap := o.at(place)
	*link = gap.next
	if last := o.places.n - 1; place != last {
		moved := o.at(last)
		link := o.buckets.at(o.bucketOf(moved.name))
		for *link != last+1 {
			link = &o.at(*link - 1).next
		}
		*link, *gap = place+1, *moved
		if o.digests.n > 0 {
			*o.digests.at(place) = *o.digests.at(last)
		}
	}
	o.places.pop()
	if o.digests.n > 0 {
		o.digests.pop()
	}
	for spare := o.places.n/8 + 8; o.buckets.n > o.places.n+spare; {
		o.merge()
	}
}

// partner returns the number of the bucket that bucket i is split from.
func partner(i uint32) uint32 { return i &^ (1 << (bits.Len32(i) - 1)) }

// split adds a bucket, and moves to it what belongs there of its partner's.
func (o *objects) split() {
	added := o.buckets.n
	if o.buckets.push(0); added == 0 {
		return
	}
	stay, move := o.buckets.at(partner(added)), o.buckets.at(added)
	for i := *stay; i != 0; {
		e := o.at(i - 1)
		next := e.next
		if o.bucketOf(e.name) == added {
			*stay = next
			e.next, *move = *move, i
		} else {
			stay = &e.next
		}
		i = next
	}
}

// merge removes the last bucket, and gives what is in it to its partner.
func (o *objects) merge() {
	last := o.buckets.n - 1
	link := o.buckets.at(partner(last))
	for *link != 0 {
		link = &o.at(*link - 1).next
	}
	*link = *o.buckets.at(last)
	o.buckets.pop()
}

// all ranges over the objects in no order. Their fields may be changed
// meanwhile, but for the name; nothing may be put or removed.
func (o *objects) all() iter.Seq[*object] {
	return func(yield func(*object) bool) {
		for i := range o.places.n {
			if !yield(o.at(i)) {
				return
			}
		}
	}
}

// paged is a slice that grows and shrinks by pages, so that little of it is
// unused. The first page begins small: most cursors hold few objects.
type paged[T any] struct {
	pages [][]T
	n     uint32
}

// perPage is how many objects fill what the allocator gives for 8 KiB, of which it
// takes a word for itself.
const perPage = uint32((8<<10 - 8) / unsafe.Sizeof(object{}))

func (p *paged[T]) at(i uint32) *T { return &p.pages[i/perPage][i%perPage] }

func (p *paged[T]) push(v T) {
	page := int(p.n / perPage)
	if page == len(p.pages) {
		p.pages = append(p.pages, nil)
	}
	at := &p.pages[page]
	if len(*at) == cap(*at) {
		size := perPage
		if page == 0 {
			size = min(perPage, max(4, 2*p.n))
		}
		*at = append(make([]T, 0, size), *at...)
	}
	*at = append(*at, v)
	p.n++
}

// pop removes the last one. One page may stay empty, so that not each push and pop
// around a page's end makes a new one.
func (p *paged[T]) pop() {
	p.n--
	page := int(p.n / perPage)
	at := &p.pages[page]
	clear((*at)[p.n%perPage:])
	*at = (*at)[:p.n%perPage]
	if spare := page + 2; spare < len(p.pages) {
		p.pages[spare] = nil
		p.pages = p.pages[:spare]
	}
	if p.n == 0 {
		p.pages = nil
	}
}
