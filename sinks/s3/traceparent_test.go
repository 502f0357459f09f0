package s3

import (
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// An event of a segment has its place in a trace if it is traced, and only then.
func TestTraceparent(t *testing.T) {
	s := &Sink{}
	s.o.NoCompression = true
	for _, is := range []bool{false, true} {
		body, _, err := s.encode([]*pipeline.Change{sinktest.Traced(is)})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(body), `"traceparent":"`+sinktest.Traceparent+`"`); got != is {
			t.Errorf("traced %v: the event has a traceparent: %v", is, got)
		}
	}
}
