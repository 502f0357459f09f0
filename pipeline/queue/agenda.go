package queue

import "time"

// agenda orders elements by the time they are due, and those of the same time
// by when they were put in: a binary heap whose positions are kept in its
// elements.
type agenda[E any] struct {
	heap []*date[E]
	seq  uint64
}

// date is an element's place in an agenda.
type date[E any] struct {
	due  time.Duration // on the queue's clock
	seq  uint64
	at   int // position in the heap plus one; zero while in none
	self E   // the element; set once
}

func (d *date[E]) set() bool { return d.at != 0 }

// next returns what is due first, nil if there is nothing.
func (a *agenda[E]) next() *date[E] {
	if len(a.heap) == 0 {
		return nil
	}
	return a.heap[0]
}

func (a *agenda[E]) put(d *date[E], due time.Duration) {
	a.seq++
	d.due, d.seq = due, a.seq
	a.heap = append(a.heap, d)
	d.at = len(a.heap)
	a.up(d)
}

// advance moves d to an earlier time. Among those of the same time it keeps
// the place it got when it was put in.
func (a *agenda[E]) advance(d *date[E], due time.Duration) {
	d.due = due
	a.up(d)
}

func (a *agenda[E]) remove(d *date[E]) {
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

func (a *agenda[E]) before(i, j int) bool {
	x, y := a.heap[i-1], a.heap[j-1]
	return x.due < y.due || x.due == y.due && x.seq < y.seq
}

func (a *agenda[E]) up(d *date[E]) {
	for d.at > 1 && a.before(d.at, d.at/2) {
		a.swap(d.at, d.at/2)
	}
}

func (a *agenda[E]) down(d *date[E]) {
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

func (a *agenda[E]) swap(i, j int) {
	x, y := a.heap[i-1], a.heap[j-1]
	a.heap[i-1], a.heap[j-1] = y, x
	x.at, y.at = j, i
}
