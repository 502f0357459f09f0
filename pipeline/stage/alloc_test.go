//go:build !race

package stage

import (
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// Of what is not traced the stage allocates nothing per change, whoever observes, and also
// while others are traced: only what it does for each bundle.
func TestNoAllocForUntracedChanges(t *testing.T) {
	for name, o := range map[string]Options{
		"nothing is observed": {},
		"tracing is off":      {Observe: func(Delivery) {}},
		"none is chosen":      {Observe: func(Delivery) {}, Trace: func(*pipeline.Change) *pipeline.Trace { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			// A bundle of 100 takes what one of 10 does, but for what grows with it.
			few, many := testing.AllocsPerRun(50, handover(t, o, 10)), testing.AllocsPerRun(50, handover(t, o, 100))
			if more := (many - few) / 90; more > 0.1 {
				t.Errorf("%.2f allocations per change", more)
			}
		})
	}
}
