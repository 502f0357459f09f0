// Package sinks says what a kind of sink is: how a value of --sink chooses it, and
// how the sink is opened.
//
//	--sink text ── Kinds.Parse ──▶ Spec{Identity, batch sizes} ── Open(ctx, Env) ──▶ pipeline.Sink
//
// Each package below this one is a kind, and has a function Kind, but for
// [github.com/fairlead-dev/fairlead/sinks/batch] (group commit in front of any
// sink), deadletter (keeps what a sink refuses for good) and sinktest (the
// conformance suite of sinks).
//
// # Usage
//
// A sink of one's own implements [pipeline.Sink]; its tests run the suite in sinktest.
// A [Kind] makes it one that a text can choose:
//
//	kinds := sinks.Kinds{stdout.Kind(), file.Kind(), mine.Kind()}
//	spec, err := kinds.Parse("file:/var/lib/changes.jsonl")
//	...
//	sink, err := spec.Open(ctx, sinks.Env{Log: log, Registerer: registerer})
//
// Whoever opens a sink closes it if it is an [io.Closer].
//
// # Guarantees
//
// What is guaranteed of a kind:
//
//   - Parse reports every mistake at once. It connects to nothing and opens nothing.
//   - The identity of a sink labels its metrics, logs, dead letters and records in
//     the ledger. It holds neither a credential nor tuning, so that the ledger goes
//     on where a password or a timeout has changed.
//   - Credentials come from files, never from the text.
//
// What a sink can do beside Write is an optional interface each: [io.Closer],
// [Reopener], [Checker] and [ReadBacker].
package sinks
