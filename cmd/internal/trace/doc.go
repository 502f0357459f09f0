// Package trace tells a receiver of OpenTelemetry how changes got through the program, of
// some of them: by OTLP over HTTP, in protobuf.
//
//	stage ── Choose(change) ──▶ Trace of the change ──▶ traceparent in its event
//	  └───── Observe(answer) ──▶ queue of 4096 ── Run ──▶ spans ── POST ──▶ receiver
//	             │ full: dropped, counted
//	             ▼
//	       delivery goes on
//
// One change to one sink is four spans of one trace:
//
//	process RESOURCE   consumer: from when the change was observed until the sink accepted it
//	  ├─ wait          internal: until it was taken from its lane: room, turns, tokens
//	  ├─ send SINK     producer: until the sink accepted it
//	  └─ acked         internal: from then until the ledger had stored that
//
// The first three are sent once the sink has accepted the change, and acked once it is
// over: after process has ended. A trace without it is of a change that the ledger has not
// stored as delivered, and that a restart may deliver again.
//
// A try that the sink refused is a span of its own, send with an error. A write of several
// changes to the sink, of which any is traced, is a span send of the batch, in a trace of
// its own, with a link to each that is: see calls.go.
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
//     more than mostTraces changes per second are traced. What waits for the rest of a
//     batch or for the ledger is bounded as well.
//
// # What it trusts
//
// The receiver sees names of clusters and objects, and errors of sinks, without
// credentials; no content of objects. Its answers are bounded.
package trace
