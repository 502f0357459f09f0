package queue

import (
	"math/rand/v2"
	"testing"
)

// Whether few or many are in work, in whatever order they end: Done ends the
// work on what is in work, and nothing else.
func TestDoneOfFewAndMany(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	q := New(Options[int, int]{
		Cluster: func(int) string { return "a" },
	})
	working := make(map[int]bool)
	was := map[bool]int{}
	most := 0 // in work at once, for a while
	for round := range 20_000 {
		if round%100 == 0 {
			most = random.IntN(2*len(q.smallSet.entries)) + 1
		}
		if len(working) < most && random.IntN(2) == 0 {
			q.Add(random.IntN(20))
			if q.Len() > 0 {
				i, _ := q.Get()
				if working[i] {
					t.Fatalf("round %d: %d is in work twice", round, i)
				}
				working[i] = true
			}
		}
		i := random.IntN(20) // often one that is not in work
		q.Done(i)
		delete(working, i)
		for q.Len() > 0 { // what came again while it was in work
			i, _ := q.Get()
			working[i] = true
		}
		if q.inWork != len(working) || q.Lanes()[0].InFlight != len(working) {
			t.Fatalf("round %d: %d in work, want %d", round, q.inWork, len(working))
		}
		many := q.smallSet.many.Load()
		was[many]++
		if !many && q.smallSet.n != len(working) || many && q.smallSet.n != 0 {
			t.Fatalf("round %d: remembers %d of %d, many: %v", round, q.smallSet.n, len(working), many)
		}
	}
	if was[true] < 100 || was[false] < 100 {
		t.Errorf("many in work: %v", was)
	}
	for i := range 20 {
		q.Done(i)
	}
	if q.inWork != 0 || q.entries.n != 0 || q.smallSet.many.Load() {
		t.Errorf("%d in work, %d entries", q.inWork, q.entries.n)
	}
}
