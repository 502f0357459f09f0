package sinkbench

import (
	"flag"
	"testing"
	"time"
)

// Who uses more has the higher figure, and round 0 counts nowhere.
func TestCompare(t *testing.T) {
	defer flag.Set("test.benchtime", flag.Lookup("test.benchtime").Value.String()) //nolint:errcheck // As it was.
	if err := flag.Set("test.benchtime", "3x"); err != nil {
		t.Fatal(err)
	}
	var used time.Duration
	rounds := map[string]int{}
	r := testing.Benchmark(func(b *testing.B) {
		Compare(b, 10, func() time.Duration { return used }, func(round int) error {
			rounds["ours"]++
			if used += 1000; round == 0 {
				used += time.Hour
			}
			return nil
		}, func(int) error {
			rounds["direct"]++
			used += 500
			return nil
		})
	})
	if got, direct := r.Extra["cpu-ns/change"], r.Extra["direct-cpu-ns/change"]; got != 100 || direct != 50 {
		t.Errorf("%v and %v ns for each change, want 100 and 50", got, direct)
	}
	if rounds["ours"] != rounds["direct"] || rounds["ours"] < 4 {
		t.Errorf("rounds %v", rounds)
	}
}
