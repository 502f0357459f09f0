// Package file appends changes as lines of JSON to a file.
//
//	batch ── AppendCloudEvent ──▶ internal/lines ── write, fsync ──▶ accepted
//	                                   │
//	                                   └─ failed ──▶ cut back to the last batch
//
// Each line is one CloudEvents 1.0 event, see
// [pipeline.Change.AppendCloudEvent].
//
// # Usage
//
//	sink, err := file.Open("/var/lib/changes.jsonl")
//	...
//	err = sink.Write(ctx, batch)
//	err = sink.Close()
//
// Call [Sink.Reopen] when the file was renamed. [Kind] makes it a sink that a text chooses.
//
// # Guarantees
//
// What is guaranteed of a regular file:
//
//   - What Write accepted is on the disk, its name in the folder included.
//   - A batch that failed, because the disk is full for one, leaves nothing
//     behind: neither a torn line nor half of what will be written again.
//   - A line that a kill or a crash left unfinished is removed by the next
//     Open. Nothing is ever removed that is not the beginning of an event.
//   - One process appends to a file at a time (an advisory lock).
//   - After [Sink.Reopen] the next batch goes to whatever the path names then,
//     so a file that was renamed (logrotate) is complete. A file that was
//     deleted is noticed without being told.
//
// Pipes, terminals and devices can be written to as well. There nothing can be
// synced or taken back: a line that broke off is continued by the next write.
//
// Write is called by one goroutine at a time; Reopen by any at any time. The
// sink does not rotate, compress or bound the file by itself.
package file
