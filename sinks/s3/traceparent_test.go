package s3

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

// An event of a segment has its place in a trace if it is traced, and only then.
func TestTraceparent(t *testing.T) {
	s := &Sink{}
	s.o.NoCompression = true
	for _, is := range []bool{false, true} {
		body, _, err := s.encode([]*pipeline.Change{traced(is)})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(body), `"traceparent":"`+parent+`"`); got != is {
			t.Errorf("traced %v: the event has a traceparent: %v", is, got)
		}
	}
}
