package httpsink

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// What is traced has its place in the trace in each form of CloudEvents, and nothing else has.
func TestTraceparent(t *testing.T) {
	for name, w := range map[string]*wire{"structured": structured(), "batch": batched(), "binary": binary()} {
		for _, is := range []bool{false, true} {
			body, err := w.append(nil, sinktest.Traced(is))
			if err != nil {
				t.Fatal(err)
			}
			header := http.Header{}
			if w.header != nil {
				w.header(header, sinktest.Traced(is))
			}
			got := strings.Contains(string(body), `"traceparent":"`+sinktest.Traceparent+`"`) || header.Get("Ce-Traceparent") == sinktest.Traceparent
			if got != is {
				t.Errorf("%s, traced %v: the event has a traceparent: %v", name, is, got)
			}
		}
	}
}
