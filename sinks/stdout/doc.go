// Package stdout writes changes as lines of JSON to standard output, or to any
// other [io.Writer].
//
//	batch ── AppendCloudEvent ──▶ one buffer ── one Write ──▶ writer
//
// Each line is one CloudEvents 1.0 event, see
// [pipeline.Change.AppendCloudEvent]. A batch counts as accepted once the
// writer has taken all of it: how durable that is, is up to whoever reads. A
// write that fails is continued where it broke off, in the middle of a line if
// need be, so the reader sees whole lines only, some perhaps twice.
//
// # Usage
//
//	sink := stdout.New(os.Stdout)
//	err := sink.Write(ctx, batch)
//
// [Kind] makes it a sink that a text chooses.
//
// # What may run at once
//
// A Sink is used by one goroutine at a time, and nothing else may write to its
// writer. A reader that stands still holds up Write until its ctx ends.
package stdout
