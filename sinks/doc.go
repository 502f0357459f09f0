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
// What is guaranteed of a kind:
//
//   - Parse reports every mistake at once. It connects to nothing and opens nothing.
//   - The identity of a sink labels its metrics, logs, dead letters and records in
//     the ledger. It holds neither a credential nor tuning, so that the ledger goes
//     on where a password or a timeout has changed.
//   - Credentials come from files, never from the text.
//
// What a sink can do beside Write is an optional interface each: [io.Closer],
// [Reopener] and [Checker].
package sinks
