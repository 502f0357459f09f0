package queue

import "time"

// timerHeap orders elements by the time they are due, and those of the same time by when
// they were put in. It is a binary heap, and its elements know their positions in it.
type timerHeap[E any] struct {
	heap []*timerNode[E]
	seq  uint64
}

// timerNode is an element's place in a timerHeap.
type timerNode[E any] struct {
	due  time.Duration // on the queue's clock
	seq  uint64
	at   int // position in the heap plus one; zero while in none
	self E   // the element; set once
}

func (d *timerNode[E]) set() bool { return d.at != 0 }

// next returns what is due first, nil if there is nothing.
func (a *timerHeap[E]) next() *timerNode[E] {
	if len(a.heap) == 0 {
		return nil
	}
	return a.heap[0]
}

func (a *timerHeap[E]) put(d *timerNode[E], due time.Duration) {
	a.seq++
	d.due, d.seq = due, a.seq
	a.heap = append(a.heap, d)
	d.at = len(a.heap)
	a.up(d)
}

// advance moves d to an earlier time. Among those of the same time it keeps
// the place it got when it was put in.
func (a *timerHeap[E]) advance(d *timerNode[E], due time.Duration) {
	d.due = due
	a.up(d)
}

func (a *timerHeap[E]) remove(d *timerNode[E]) {
	n := len(a.heap)
	last := a.heap[n-1]
	a.heap[n-1] = nil
	a.heap = a.heap[:n-1]
	if last != d {
		a.heap[d.at-1], last.at = last, d.at
		a.up(last)
		a.down(last)
	}
	d.at = 0
}

func (a *timerHeap[E]) before(i, j int) bool {
	x, y := a.heap[i-1], a.heap[j-1]
	return x.due < y.due || x.due == y.due && x.seq < y.seq
}

func (a *timerHeap[E]) up(d *timerNode[E]) {
	for d.at > 1 && a.before(d.at, d.at/2) {
		a.swap(d.at, d.at/2)
	}
}

func (a *timerHeap[E]) down(d *timerNode[E]) {
	for {
		child := 2 * d.at
		if child > len(a.heap) {
			return
		}
		if child < len(a.heap) && a.before(child+1, child) {
			child++
		}
		if !a.before(child, d.at) {
			return
		}
		a.swap(d.at, child)
	}
}

func (a *timerHeap[E]) swap(i, j int) {
	x, y := a.heap[i-1], a.heap[j-1]
	a.heap[i-1], a.heap[j-1] = y, x
	x.at, y.at = j, i
}
