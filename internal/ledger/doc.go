// Package ledger remembers, per stream, what sinks have accepted and from
// where a watch can resume with nothing lost.
//
//	stream ── Observe ──▶ cursor ◀── Begin, Ack ── workers
//	          Seen          │
//	          BeginSnapshot ▼
//	          EndSnapshot  resume point, tombstones
//
// A cursor is told of every state its stream observes and of every change the
// workers hand over and see accepted. From that it decides which states are
// repeats, which deletions nobody told of, which UIDs a sink must be told are
// gone, and the oldest resourceVersion that is still needed.
//
// What is remembered was accepted by certain sinks, in a certain form. When there
// are others, all that a snapshot holds is delivered again; see Cursor.Address.
//
// One stream uses a cursor at a time; any number of workers may. Cursors share
// no lock with each other.
package ledger
