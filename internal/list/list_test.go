package list

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Elements leave from anywhere, go to the end and change lists; both lists
// hold what slices would, in both directions.
func TestList(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	nodes := make([]Node[int], 12)
	for i := range nodes {
		nodes[i].Self = i
	}
	var lists [2]List[int]
	var want [2][]int
	for round := range 20_000 {
		n, to := &nodes[random.IntN(len(nodes))], random.IntN(2)
		if n.List != nil {
			in := slices.Index([]*List[int]{&lists[0], &lists[1]}, n.List)
			n.Leave()
			want[in] = slices.DeleteFunc(want[in], func(i int) bool { return i == n.Self })
		}
		if random.IntN(1+round/100%7) != 0 { // fills and empties in turn
			lists[to].PushBack(n)
			want[to] = append(want[to], n.Self)
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
func (l *List[E]) elements(t *testing.T) (forward []E) {
	t.Helper()
	var last *Node[E]
	for n := l.Head; n != nil; n = n.Next {
		if n.List != l || n != l.Head && n.prev != last {
			t.Fatalf("%v is not linked to the one before", n.Self)
		}
		forward, last = append(forward, n.Self), n
	}
	if last != l.Tail || len(forward) != l.N {
		t.Fatalf("%v of %d elements end with %v, not the tail %v", forward, l.N, last, l.Tail)
	}
	return forward
}
