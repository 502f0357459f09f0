package pipeline

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Elements leave from anywhere, go to the end and change lists; both lists
// hold what slices would, in both directions.
func TestList(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	nodes := make([]node[int], 12)
	for i := range nodes {
		nodes[i].self = i
	}
	var lists [2]list[int]
	var want [2][]int
	for round := range 20_000 {
		n, to := &nodes[random.IntN(len(nodes))], random.IntN(2)
		if n.list != nil {
			in := slices.Index([]*list[int]{&lists[0], &lists[1]}, n.list)
			n.leave()
			want[in] = slices.DeleteFunc(want[in], func(i int) bool { return i == n.self })
		}
		if random.IntN(1+round/100%7) != 0 { // fills and empties in turn
			lists[to].pushBack(n)
			want[to] = append(want[to], n.self)
		}
		for i := range lists {
			if got := lists[i].elements(t); !slices.Equal(got, want[i]) {
				t.Fatalf("round %d: list %d holds %v, want %v", round, i, got, want[i])
			}
		}
	}
}

// elements are the list's, from head to tail; from tail to head they must be the
// same.
func (l *list[E]) elements(t *testing.T) (forward []E) {
	t.Helper()
	var last *node[E]
	for n := l.head; n != nil; n = n.next {
		if n.list != l || n != l.head && n.prev != last {
			t.Fatalf("%v is not linked to the one before", n.self)
		}
		forward, last = append(forward, n.self), n
	}
	if last != l.tail || len(forward) != l.n {
		t.Fatalf("%v of %d elements end with %v, not the tail %v", forward, l.n, last, l.tail)
	}
	return forward
}
