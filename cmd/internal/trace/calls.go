package trace

import (
	"fmt"
	"time"

	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// calls gathers the links of writes to sinks, as the answers to the changes of one may come
// in the spans of several requests. It is not safe for concurrent use.
type calls struct {
	open map[*pipeline.Call]*call
}

// call is a write of several changes whose span has yet to be sent.
type call struct {
	route string
	of    *pipeline.Call
	links []*tracepb.Span_Link
	since time.Time // when it was first heard of
}

const (
	// mostCalls bounds how many writes wait for the rest of their answers.
	mostCalls = 1024
	// callPatience is for how long one waits: an answer may have been dropped, or its caller
	// be gone.
	callPatience = 5 * time.Second
)

// spansOf returns the spans of answers, those of the writes included that are complete with
// them.
func (c *calls) spansOf(answers []answer, now time.Time) []*tracepb.Span {
	var all []*tracepb.Span
	for i := range answers {
		a := &answers[i]
		all = a.appendSpans(all)
		if a.trace.Call == nil || a.trace.Call.Changes < 2 || !a.stored.IsZero() {
			continue
		}
		if s := c.link(a, now); s != nil {
			all = append(all, s)
		}
	}
	return all
}

// link adds the link to an answer's change to the span of its write, and returns that once
// it has all.
func (c *calls) link(a *answer, now time.Time) *tracepb.Span {
	of := a.trace.Call
	w := c.open[of]
	if w == nil {
		w = &call{route: a.route, of: of, since: now}
	}
	w.links = append(w.links, &tracepb.Span_Link{TraceId: a.trace.TraceID[:], SpanId: a.trace.SpanID[:], Flags: 1})
	if len(w.links) >= of.Traced || c.open[of] == nil && len(c.open) >= mostCalls {
		delete(c.open, of)
		return w.span()
	}
	if c.open == nil {
		c.open = map[*pipeline.Call]*call{}
	}
	c.open[of] = w
	return nil
}

// overdue returns the spans of writes that have waited for long enough, of all if all is
// set, with the links that there are.
func (c *calls) overdue(now time.Time, all bool) []*tracepb.Span {
	var spans []*tracepb.Span
	for of, w := range c.open {
		if all || now.Sub(w.since) >= callPatience {
			delete(c.open, of)
			spans = append(spans, w.span())
		}
	}
	return spans
}

// span returns the span of a write, in a trace of its own.
func (w *call) span() *tracepb.Span {
	return &tracepb.Span{
		TraceId: random(16), SpanId: random(8), Flags: 1, Name: fmt.Sprintf("send %s batch", system(w.route)),
		Kind: tracepb.Span_SPAN_KIND_PRODUCER, StartTimeUnixNano: nanos(w.of.Began), EndTimeUnixNano: nanos(w.of.Ended),
		Attributes: append(sending(w.route), number(attrCount, w.of.Changes), number(attrTogether, w.of.Traced)),
		Links:      w.links,
	}
}
