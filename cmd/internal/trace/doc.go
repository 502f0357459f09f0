// Package trace tells a receiver of OpenTelemetry how changes got through the program, of
// some of them: by OTLP over HTTP, in protobuf.
//
//	stage ── Choose(change) ──▶ Trace of the change ──▶ traceparent in its event
//	  └───── Observe(answer) ──▶ queue of 4096 ── Run ──▶ spans ── POST ──▶ receiver
//	             │ full: dropped, counted
//	             ▼
//	       delivery goes on
//
// One change to one sink is three spans of one trace:
//
//	process RESOURCE   consumer: from when the change was observed until the sink accepted it
//	  ├─ wait          internal: until it was taken from its lane: room, turns, tokens
//	  └─ send SINK     producer: until the sink accepted it
//
// A try that the sink refused is a span of its own, send with an error. Changes that went to
// the sink together, of which several are traced, also get a span send of the batch, in a
// trace of its own, with a link to each.
//
// # Guarantees
//
//   - Nothing is sent, and nothing computed, unless the program is told where to.
//   - Which changes are traced: a ratio of all, by their trace's id, so that all sinks and
//     all processes choose the same ones; and those that took longer than Options.Lag.
//   - The trace's id follows from the change: its cluster, object, version and kind of
//     change. So the spans of all its sinks are one trace.
//   - An event has a traceparent if its change was chosen before it was handed over. Of one
//     that became late during its write there are spans, and no traceparent.
//   - No delivery waits for the receiver: what does not fit in the queue is dropped. No
//     more than mostTraces changes per second are traced.
//
// # What it trusts
//
// The receiver sees names of clusters and objects, and errors of sinks, without
// credentials; no content of objects. Its answers are bounded.
package trace
