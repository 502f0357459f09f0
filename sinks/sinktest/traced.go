package sinktest

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// Traceparent is the place in a trace of the change that [Traced] returns, as W3C Trace
// Context and the CloudEvents extension of that name write it.
const Traceparent = "00-0a0000000000000000000000000000ff-b000000000000001-01"

// Traced returns a change that is traced, or the same one as it is without tracing: for tests
// of how a sink writes the one and the other.
func Traced(is bool) *pipeline.Change {
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
