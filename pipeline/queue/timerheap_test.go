package queue

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Known returns how many identities the queue remembers.
func (q *Queue[T, K]) Known() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.entries.n
}

func TestAgendaIsInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var a timerHeap[int]
	var in []*timerNode[int] // what a holds
	for i := range 20_000 {
		due := time.Duration(r.IntN(50))
		switch op := r.IntN(20); {
		case op < 12 && len(in) < 60:
			d := &timerNode[int]{self: i}
			a.put(d, due)
			in = append(in, d)
		case len(in) == 0:
		case op < 15:
			if d := in[r.IntN(len(in))]; due < d.due {
				a.advance(d, due)
			}
		default:
			n := r.IntN(len(in))
			a.remove(in[n])
			if in[n].set() {
				t.Fatal("removed but still set")
			}
			in = slices.Delete(in, n, n+1)
		}
		var want *timerNode[int]
		if len(in) > 0 {
			want = slices.MinFunc(in, func(x, y *timerNode[int]) int { return cmp.Or(cmp.Compare(x.due, y.due), cmp.Compare(x.seq, y.seq)) })
		}
		if got := a.next(); got != want {
			t.Fatalf("after %d operations next is %+v, want %+v", i, got, want)
		}
		for at, d := range a.heap {
			if d.at != at+1 || at > 0 && a.before(at+1, (at+1)/2) {
				t.Fatalf("after %d operations the heap is out of order at %d", i, at)
			}
		}
	}
}
