// Package compare compares what a member has, what the ledger knows and what a sink holds of
// each object of one stream.
//
//	member ── list in pages ──▶ table: name, UID, version ◀── each object ── ReadBack ── sink
//	                              │ differ?                       ledger: pending? accepted?
//	                              ▼
//	                          suspects ── all of it once more ──▶ differences
//
// # Guarantees
//
//   - A live fleet moves while it is read. What is on its way is no difference. A difference is
//     told only if two readings, one after the other, have found the same member's state, the
//     same sink's state and nothing on its way; what shows another state in each of five
//     readings is told as changing.
//   - It changes nothing. It holds one row for each object of one stream, see
//     BenchmarkTable, and 10,000 suspects; there may be a million rows of 256 MiB. With a
//     sample it holds the rows of the sample.
//   - It waits for nobody: a sink that yields nothing for a minute ends it with an error.
//
// It compares UIDs and resourceVersions, not contents: what somebody has written into a sink
// under the right version is not found.
//
// What the sink yields is trusted in nothing: rows of other names, clusters and namespaces are
// left out.
package compare
