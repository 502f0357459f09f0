package otlp

import (
	"encoding/hex"
	"testing"

	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// A log record has its place in a trace, in the fields that are made for it, if the change
// is traced, and only then.
func TestTraceparent(t *testing.T) {
	for _, is := range []bool{false, true} {
		r, _ := record(sinktest.Traced(is), false)
		want := sinktest.Traceparent
		if !is {
			want = "00---01"
		}
		if got := "00-" + hex.EncodeToString(r.TraceId) + "-" + hex.EncodeToString(r.SpanId) + "-01"; got != want || is != (r.Flags == 1) {
			t.Errorf("traced %v: the record is in the trace %s, flags %d", is, got, r.Flags)
		}
	}
}
