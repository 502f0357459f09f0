// Package pipeline has the words that sources, queue, stage and sinks share: what a
// change is (Key, Op, Change), what becomes of it (Tracker), what a sink has to do
// (Sink, Destination, and the errors by which it says what it refuses), and the form
// in which a change is written (AppendCloudEvent, ParseEvent).
//
//	sources ──▶ pipeline/queue ──▶ pipeline/stage ──▶ sinks
//
// # Usage
//
// A sink implements [Sink]. It writes each change of a batch in a form of its own, or as
// a CloudEvent, and returns nil once all of them are durable:
//
//	func (s *table) Write(ctx context.Context, batch []*pipeline.Change) error {
//		for _, c := range batch {
//			line = c.AppendCloudEvent(line)
//			...
//
// A [*BatchError] names the changes that were not accepted. [Permanent], [RetryAfter] and
// [Outage] say more about an error. [ParseEvent] reads an event again.
//
// # What may run at once
//
// A change is read-only for everyone but the stage. Nobody uses its Object after the ack.
//
// # Where the rest is
//
// The queue is in pipeline/queue, the stage that hands changes over in pipeline/stage,
// and the bound on the memory of them all in pipeline/budget.
package pipeline
