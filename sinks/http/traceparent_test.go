package httpsink

import (
	"net/http"
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

// What is traced has its place in the trace in each form of CloudEvents, and nothing else has.
func TestTraceparent(t *testing.T) {
	for name, w := range map[string]*wire{"structured": structured(), "batch": batched(), "binary": binary()} {
		for _, is := range []bool{false, true} {
			body, err := w.append(nil, traced(is))
			if err != nil {
				t.Fatal(err)
			}
			header := http.Header{}
			if w.header != nil {
				w.header(header, traced(is))
			}
			got := strings.Contains(string(body), `"traceparent":"`+parent+`"`) || header.Get("Ce-Traceparent") == parent
			if got != is {
				t.Errorf("%s, traced %v: the event has a traceparent: %v", name, is, got)
			}
		}
	}
}
