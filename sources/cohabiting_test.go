package sources

import (
	"slices"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// What is followed in another API group now is not taken leave of: its objects are there,
// and sinks that know them by their UIDs alone would lose them. That goes on for as long
// as they are followed there, and the retention begins then.
func TestUnwatchedInAnotherGroup(t *testing.T) {
	const gone = "deleted of-a object-of-a of a"
	for name, test := range map[string]struct {
		now  string // what is followed instead
		kept bool
	}{
		"all of it":              {"events.events.k8s.io", true},
		"a namespace":            {"events.events.k8s.io?namespace=ns", true},
		"something else":         {"secrets", false},
		"a name that is unclear": {"event.events.k8s.io", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, a := ledgerOf(t), &server{uid: "a"}
				follow := func(d time.Duration, specs ...string) []string {
					h := startOn(t, l, specs...)
					h.sources.Set(a.member("m"))
					time.Sleep(d)
					h.stop()
					l.Leave("m")
					return h.queue.told()
				}
				follow(time.Minute, "configmaps", "events")
				told := follow(10*time.Minute, "configmaps", test.now)
				if slices.Contains(told, gone) == test.kept {
					t.Errorf("told %v", told)
				}
				if !test.kept {
					return
				}
				if left := l.UnwatchedObjects(); !slices.Equal(left, []ledger.UnwatchedObjects{{Cluster: "m", Resource: "events", Objects: 1}}) {
					t.Errorf("not watched, as metrics say: %v", left)
				}
				if told = follow(2*time.Minute, "configmaps"); len(told) != 0 {
					t.Errorf("told before the retention is over: %v", told)
				}
				if told = follow(10*time.Minute, "configmaps"); !slices.Equal(told, []string{gone, gone}) {
					t.Errorf("told %v, want the deletions in both groups", told)
				}
			})
		})
	}
}
