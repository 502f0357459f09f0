package app

import "testing"

// One cluster that hangs keeps nobody from asking about another.
func TestTurnsOfExplanations(t *testing.T) {
	turns := newExplainTurns()
	var ends []func()
	begin := func(cluster string, want bool) {
		t.Helper()
		end, ok := turns.begin(cluster)
		if ok != want {
			t.Fatalf("%s: %v, want %v", cluster, ok, want)
		}
		if ok {
			ends = append(ends, end)
		}
	}
	begin("hangs", true)
	begin("hangs", true)
	begin("hangs", false)
	begin("a", true)
	begin("b", true)
	begin("c", false)
	ends[0]()
	begin("hangs", true)
	for _, end := range ends[1:] {
		end()
	}
	if turns.all != 0 || len(turns.of) != 0 {
		t.Errorf("%d are under way, %v", turns.all, turns.of)
	}
}
