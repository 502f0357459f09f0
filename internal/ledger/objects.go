package ledger

import (
	"hash/maphash"
	"iter"
)

// object is an acked state. With its name it takes 48 bytes and the name.
type object struct {
	version
	name  name
	epoch uint16 // of the snapshot that listed it last
	due   uint16 // the cursor's when the acked state was observed; another one: it is due
	next  uint32 // the one with the same hash, or the next free one; +1, 0: none
}

// objects is the set of acked states: most of a cursor's memory.
//
// A Go map of them would hold up to 2.3 times what is in it, just after it has
// grown. So the map holds only eight bytes of each, the number of an object by
// the hash of its name, and the objects lie in pages, whose places are used
// again.
type objects struct {
	seed  maphash.Seed
	index map[uint32]uint32 // hash -> +1 of the first with it
	pages []*[objectsPerPage]object
	used  uint32 // places ever used
	free  uint32 // +1 of the first free place; 0: none
	n     int
}

const objectsPerPage = 128

func newObjects() objects {
	return objects{seed: maphash.MakeSeed(), index: map[uint32]uint32{}}
}

func (o *objects) len() int { return o.n }

func (o *objects) hash(key []byte) uint32 { return uint32(maphash.Bytes(o.seed, key)) }

func (o *objects) at(i uint32) *object { return &o.pages[i/objectsPerPage][i%objectsPerPage] }

// get returns the object of that name, nil if there is none. What it returns
// is valid until the next put or remove.
func (o *objects) get(key []byte) *object {
	for i := o.index[o.hash(key)]; i != 0; {
		e := o.at(i - 1)
		if string(e.name) == string(key) {
			return e
		}
		i = e.next
	}
	return nil
}

// put adds an object that is not there yet.
func (o *objects) put(e object) {
	hash := uint32(maphash.String(o.seed, string(e.name)))
	e.next = o.index[hash]
	i := o.free
	if i != 0 {
		o.free = o.at(i - 1).next
	} else {
		if int(o.used) == len(o.pages)*objectsPerPage {
			o.pages = append(o.pages, new([objectsPerPage]object))
		}
		o.used++
		i = o.used
	}
	*o.at(i - 1) = e
	o.index[hash] = i
	o.n++
}

// remove removes an object, if it is there.
func (o *objects) remove(key []byte) {
	hash := o.hash(key)
	first := o.index[hash]
	for i, before := first, (*object)(nil); i != 0; {
		e := o.at(i - 1)
		if string(e.name) != string(key) {
			i, before = e.next, e
			continue
		}
		switch {
		case before != nil:
			before.next = e.next
		case e.next != 0:
			o.index[hash] = e.next
		default:
			delete(o.index, hash)
		}
		*e = object{next: o.free}
		o.free = i
		o.n--
		break
	}
	if places := len(o.pages) * objectsPerPage; places > 8*objectsPerPage && o.n < places/4 {
		o.shrink()
	}
}

// shrink gives back what a much larger set has left behind: neither pages nor
// a map become smaller by themselves.
func (o *objects) shrink() {
	small := objects{seed: o.seed, index: make(map[uint32]uint32, o.n)}
	for e := range o.all() {
		small.put(*e)
	}
	*o = small
}

// all ranges over the objects in no order. Their fields may be changed
// meanwhile, but for the name; nothing may be put or removed.
func (o *objects) all() iter.Seq[*object] {
	return func(yield func(*object) bool) {
		for i := range o.used {
			// No two objects share a name, and no name is empty: it begins
			// with the length of the namespace.
			if e := o.at(i); e.name != "" && !yield(e) {
				return
			}
		}
	}
}
