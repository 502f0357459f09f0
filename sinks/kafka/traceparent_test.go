package kafka

import (
	"strings"
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

// What is traced has its place in the trace in each form of a record, and nothing else has.
func TestTraceparent(t *testing.T) {
	for _, binary := range []bool{false, true} {
		for _, is := range []bool{false, true} {
			var r records
			e := &encoder{template: template{{text: "events"}}, binary: binary, tombstones: Only, topics: map[[2]string]string{}}
			e.encode(&r, []*pipeline.Change{traced(is)})
			got := strings.Contains(string(r.all[0].Value), `"traceparent":"`+parent+`"`)
			for _, h := range r.all[0].Headers {
				got = got || h.Key == "ce_traceparent" && string(h.Value) == parent
			}
			if got != is {
				t.Errorf("binary %v, traced %v: the record has a traceparent: %v", binary, is, got)
			}
		}
	}
}
