package nats

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

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
		for name, m := range map[string]*nats.Msg{"stream": stream.message(sinktest.Traced(is)), "bucket": bucket.message(sinktest.Traced(is), 1)} {
			if got := strings.Contains(string(m.Data), `"traceparent":"`+sinktest.Traceparent+`"`); got != is {
				t.Errorf("%s, traced %v: the event has a traceparent: %v", name, is, got)
			}
		}
	}
}
