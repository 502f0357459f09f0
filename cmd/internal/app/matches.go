package app

import (
	"math/bits"
	"sync"
)

// matches tells which answers of a block the filters of readers let through. The first reader
// that looks at an answer finds that out for all of them, with the index. For the others it is
// a bit for each answer, of which those that are not set cost nothing: so what a flood costs
// does not grow much with the number of tails.
type matches struct {
	mu    sync.Mutex
	index uint64 // the number of the index that was used; 0: none was
	known int    // of so many answers, from the first one on
	of    [mostWanters]answerSet
}

// answerSet is some of the answers of a block.
type answerSet [blockSize / 64]uint64

// found returns the answers among those that are borrowed that the tail's filter lets through,
// whatever its expression says.
func (t *tail) found(l loan) (set answerSet) {
	if l.block == nil {
		return set
	}
	end := l.first + len(l.answers)
	if x := t.recent.copies.index.Load(); x != nil && x.all&t.wanter.bit != 0 {
		set = l.block.matches.find(l.block, x, bits.TrailingZeros64(t.wanter.bit), end)
		set.keep(l.first, end)
		return set
	}
	for i := l.first; i < end; i++ {
		if k := &l.block.answers[i]; t.matches(k.route, &k.key, k.resource.Resource, k.op) {
			set.add(i)
		}
	}
	return set
}

// find returns the answers for the reader with a bit in the index, of those before end, which
// the caller has borrowed. There may be others in it.
func (m *matches) find(b *block, x *wanterIndex, bit, end int) answerSet {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.index != x.number {
		m.index, m.known = x.number, 0
		clear(m.of[:])
	}
	for ; m.known < end; m.known++ {
		k := &b.answers[m.known]
		for who := x.who(k.route, &k.key, k.resource.Resource, k.op); who != 0; who &= who - 1 {
			m.of[bits.TrailingZeros64(who)].add(m.known)
		}
	}
	return m.of[bit]
}

func (s *answerSet) add(i int) { s[i/64] |= 1 << (i % 64) }

// keep takes out all but those from first to end.
func (s *answerSet) keep(first, end int) {
	for i := range s {
		from, to := max(first-i*64, 0), min(end-i*64, 64)
		if from >= to {
			s[i] = 0
			continue
		}
		s[i] &= ^uint64(0) << from & (^uint64(0) >> (64 - to))
	}
}

func (s *answerSet) isEmpty() bool { return *s == answerSet{} }

// count returns how many there are.
func (s *answerSet) count() (n uint64) {
	for _, w := range s {
		n += uint64(bits.OnesCount64(w))
	}
	return n
}

// take takes out the first one, of which there must be one.
func (s *answerSet) take() int {
	for i, w := range s {
		if w != 0 {
			s[i] &= w - 1
			return i*64 + bits.TrailingZeros64(w)
		}
	}
	panic("there is none")
}
