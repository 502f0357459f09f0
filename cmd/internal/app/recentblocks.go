package app

const (
	// blockSize is how many answers readers borrow at once.
	blockSize = 128
	// blocks is how many there are: the one that is being filled, and mostRecent answers.
	blocks = mostRecent/blockSize + 1
)

// block is answers whose numbers follow each other. What was written does not change until the
// block is used anew, which it is only while nobody has borrowed it.
type block struct {
	answers  [blockSize]kept
	borrowed int // by so many, guarded by recent.mu
	matches  matches
}

// loan is answers that a reader has borrowed. It keeps no stage from anything, for however
// long: the memory of one block is what it takes, without the copies of objects.
type loan struct {
	block   *block // nil: there is nothing
	answers []kept // whose number is next minus their count, and so on
	first   int    // where in the block they begin
	next    uint64 // the number of the first one after them
	missed  uint64 // so many were forgotten before the first one
}

// borrow returns answers from a number on that are still remembered, as far as they are in
// one block. The caller hands the loan to giveBack, and keeps nothing of it but copies.
func (r *recent) borrow(number uint64) loan {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := loan{next: number}
	if oldest := r.oldestLocked(); number < oldest {
		l.missed, l.next = oldest-number, oldest
	}
	if l.next >= r.next {
		return l
	}
	first := l.next % blockSize
	l.block = r.blocks[l.next/blockSize%blocks]
	l.block.borrowed++
	count := min(r.next-l.next, blockSize-first)
	l.answers, l.first, l.next = l.block.answers[first:first+count], int(first), l.next+count
	return l
}

// giveBack ends a loan.
func (r *recent) giveBack(l loan) {
	if l.block == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l.block.borrowed--
}

// placeLocked returns where the next answer goes. In a new block, it is one that was forgotten.
func (r *recent) placeLocked() *kept {
	at := &r.blocks[r.next/blockSize%blocks]
	if r.next%blockSize == 0 {
		if *at != nil {
			r.emptyLocked(*at, true, true)
		}
		if *at == nil || (*at).borrowed > 0 {
			*at = new(block)
		} else {
			(*at).matches.index = 0 // they are of what was forgotten
		}
	}
	return &(*at).answers[r.next%blockSize]
}

// emptyLocked gives up what was made of a block's answers for readers: copies of objects,
// lines, or both. Who has borrowed it finds objects missing.
func (r *recent) emptyLocked(b *block, objects, lines bool) {
	if !objects && !lines {
		return
	}
	for i := range b.answers {
		k := &b.answers[i]
		if objects {
			r.dropLocked(k)
		}
		if lines && k.line.Load() != nil {
			k.line.Store(nil)
		}
	}
}

// atLocked returns the answer with a number that is remembered.
func (r *recent) atLocked(number uint64) *kept {
	return &r.blocks[number/blockSize%blocks].answers[number%blockSize]
}

// oldestLocked returns the number of the oldest answer that is remembered: the next one may
// already need the block of those before it.
func (r *recent) oldestLocked() uint64 {
	if begun := r.next / blockSize; begun >= blocks {
		return (begun - blocks + 1) * blockSize
	}
	return 0
}
