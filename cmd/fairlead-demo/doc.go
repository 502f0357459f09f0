// Command fairlead-demo shows the program at work on real API servers, from
// outside: it starts the fairlead binary that lies beside it, and knows of it
// only its flags, its metrics, its status page and the file that its sink writes.
//
//	writers ──▶ quiet    ──────────────┐                      ┌──▶ live table
//	writers ──▶ flooding ──────────────┼▶ fairlead run ──▶ file ─▶ tail ─▶ latencies
//	writers ──▶ faraway  ──✂ 10 s ✂────┘                      └──▶ check against lists ──▶ JSON
//	            hub, where Fairlead would run
//
// Everything runs at the same time: the writers of each member, the reader of the
// sink's file, the reader of metrics and status that draws the table, and the
// acts one after another. The demo makes no claim of its own about what arrived:
// it lists the API servers when the writers have stopped, replays the file, and
// counts the differences.
//
// It is no benchmark and no fault test: it has one course of events, and its
// numbers are those of a machine that runs four control planes beside it.
package main
