package kafka

import (
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// What is traced has its place in the trace in each form of a record, and nothing else has.
func TestTraceparent(t *testing.T) {
	for _, binary := range []bool{false, true} {
		for _, is := range []bool{false, true} {
			var r records
			e := &encoder{template: template{{text: "events"}}, binary: binary, tombstones: Only, topics: map[[2]string]string{}}
			e.encode(&r, []*pipeline.Change{sinktest.Traced(is)})
			got := strings.Contains(string(r.all[0].Value), `"traceparent":"`+sinktest.Traceparent+`"`)
			for _, h := range r.all[0].Headers {
				got = got || h.Key == "ce_traceparent" && string(h.Value) == sinktest.Traceparent
			}
			if got != is {
				t.Errorf("binary %v, traced %v: the record has a traceparent: %v", binary, is, got)
			}
		}
	}
}
