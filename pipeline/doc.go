// Package pipeline has the words that sources, queue, stage and sinks share: what a
// change is (Key, Op, Change), what becomes of it (Tracker), what a sink has to do
// (Sink, Destination, and the errors by which it says what it refuses), and the form
// in which a change is written (AppendCloudEvent, ParseEvent).
//
//	sources ──▶ pipeline/queue ──▶ pipeline/stage ──▶ sinks
//
// The queue is in pipeline/queue, the stage that hands changes over in pipeline/stage,
// and the bound on the memory of them all in pipeline/budget.
package pipeline
