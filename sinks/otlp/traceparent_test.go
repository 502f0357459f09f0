package otlp

import (
	"encoding/hex"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline"
)

const parent = "00-0a0000000000000000000000000000ff-b000000000000001-01"

// traced returns a change, as it is without tracing or with it.
func traced(is bool) *pipeline.Change {
	c := &pipeline.Change{
		Key:    pipeline.Key{Cluster: "paris", Resource: "configmaps", Namespace: "ns", Name: "a"},
		Origin: &pipeline.Origin{Term: 1, Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, Kind: "ConfigMap"},
		Op:     pipeline.Updated, UID: "u", ResourceVersion: "7", Sequence: 3, Object: []byte(`{"a":1}`),
	}
	if is {
		c.Trace = &pipeline.Trace{TraceID: [16]byte{0x0a, 15: 0xff}, SpanID: [8]byte{0xb0, 7: 1}}
	}
	return c
}

// A log record has its place in a trace, in the fields that are made for it, if the change
// is traced, and only then.
func TestTraceparent(t *testing.T) {
	for _, is := range []bool{false, true} {
		r, _ := record(traced(is), false)
		want := parent
		if !is {
			want = "00---01"
		}
		if got := "00-" + hex.EncodeToString(r.TraceId) + "-" + hex.EncodeToString(r.SpanId) + "-01"; got != want || is != (r.Flags == 1) {
			t.Errorf("traced %v: the record is in the trace %s, flags %d", is, got, r.Flags)
		}
	}
}
