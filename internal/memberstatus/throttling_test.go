package memberstatus

import (
	"testing"
	"time"
)

func TestThrottling(t *testing.T) {
	var x Throttling[string]
	now := time.Unix(1000, 0)
	var total time.Duration
	look := func(missing time.Duration) string {
		total += missing
		// Of two routes the one that waits longer counts, not their sum.
		c := x.Look(map[string]time.Duration{"a": total, "b": total * 9 / 10}, now)
		now = now.Add(ThrottleWindow)
		return string(c.Status) + c.LastTransitionTime.UTC().Format(" 15:04:05")
	}
	for i, step := range []struct {
		missing time.Duration
		want    string
	}{
		{time.Hour, "False 00:16:40"},       // what was before nobody knows
		{4 * time.Second, "False 00:16:40"}, // less than half of the window
		{5 * time.Second, "True 00:17:00"},
		{time.Second, "True 00:17:00"}, // more than a little
		{time.Second / 2, "False 00:17:20"},
		{10 * time.Second, "True 00:17:30"},
		{-time.Hour, "False 00:17:40"}, // of another engine
	} {
		if got := look(step.missing); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
}
