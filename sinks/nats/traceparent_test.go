package nats

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
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

// A message has the place of its change in a trace if that is traced, and only then, in a
// stream and in a bucket.
func TestTraceparent(t *testing.T) {
	header := func(names ...string) nats.Header {
		h := nats.Header{}
		for _, name := range names {
			h[name] = []string{""}
		}
		return h
	}
	stream := &Sink{connector: &connector{}, next: nats.Msg{Header: header(jetstream.MsgIDHeader)}}
	bucket := &KV{connector: &connector{}, next: nats.Msg{Header: header(termHeader, sequenceHeader, jetstream.ExpectedLastSubjSeqHeader)}}
	for _, is := range []bool{false, true} {
		for name, m := range map[string]*nats.Msg{"stream": stream.message(traced(is)), "bucket": bucket.message(traced(is), 1)} {
			if got := strings.Contains(string(m.Data), `"traceparent":"`+parent+`"`); got != is {
				t.Errorf("%s, traced %v: the event has a traceparent: %v", name, is, got)
			}
		}
	}
}
