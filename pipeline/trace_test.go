package pipeline

import (
	"maps"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// An event says where its change stands in a trace, in both forms, and only if it is
// traced: without that it is byte for byte as before.
func TestTraceParent(t *testing.T) {
	c := &Change{
		Key:    Key{Cluster: "paris", Resource: "configmaps", Namespace: "ns", Name: "a"},
		Origin: &Origin{Term: 1, Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, Kind: "ConfigMap"}, Op: Updated, UID: "u", ResourceVersion: "7", Sequence: 3, Object: []byte(`{"a":1}`),
	}
	plain := string(c.AppendCloudEvent(nil))
	if strings.Contains(plain, "traceparent") || maps.Collect(c.Attributes())["traceparent"] != "" {
		t.Errorf("a change that is not traced: %s", plain)
	}
	c.Trace = &Trace{TraceID: [16]byte{0x0a, 15: 0xff}, SpanID: [8]byte{0xb0, 7: 1}}
	const want = "00-0a0000000000000000000000000000ff-b000000000000001-01"
	traced := string(c.AppendCloudEvent(nil))
	if strings.Replace(traced, `,"traceparent":"`+want+`"`, "", 1) != plain || traced == plain {
		t.Errorf("traced\n%s\nand not\n%s", traced, plain)
	}
	if got := maps.Collect(c.Attributes())["traceparent"]; got != want {
		t.Errorf("in binary form %q, want %q", got, want)
	}
}
