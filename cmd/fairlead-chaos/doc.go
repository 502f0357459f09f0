// Command fairlead-chaos breaks everything around Fairlead, and Fairlead itself,
// while objects change, and then checks that nothing was lost, nothing is left
// over and nothing went backwards.
//
//	plan (from the seed)
//	  │ every so many writes a fault begins, and lasts so many writes
//	  ▼
//	writers ──▶ members ◀── proxies ◀── fairlead ──▶ faulty sink ──▶ file
//	              │ stop, crash,  │ cut, black    │ kill -9,   │ fails, stalls,
//	              │ compact       │ hole, slow    │ SIGTERM    │ half, lost answer,
//	              │               │               │            │ refuses for good
//	              ▼                               ▼                        ▼
//	            lists ─────────▶ checker ◀── ledger as each kill left it, file
//
// One member more does nothing but lie, one way after the other. What comes of it
// is not checked, but that each line is an event of its own; nothing that it does
// may cost the others anything.
//
// With several sinks each has faults of its own beside those of the first one: it
// fails, stalls or is slow while others do not, refuses one member until the end, or
// hangs in the end until all others hold what they should. Restarts take one out or
// put one back, and change what is selected, by namespace and by a label that the
// writers change. What a sink then holds must be what is selected now.
//
// Fairlead is this program started again as a process of its own, with a sink
// that does what it is told to by files beside its own. The faults of one thing
// (the program, the sink, one member with its line) follow each other; those of
// different things overlap. So does what an operator does: members leave and come
// back, get other credentials or none that are accepted, are replayed, and dead
// letters are sent again.
//
// A destination that is no file (--sink) has no part in what the program may be asked for:
// it is delivered to beside the others, its server crashes, refuses or fails over, the line
// to it is cut, hangs, is slow or loses answers, and in the end it is read back by a client
// of its own.
//
// Each sink is checked by itself, and for three consumers: one that takes events as
// they come, one that drops for ever what has an id that it had, and one that orders
// by term and sequence and gets them shuffled.
//
// With several replicas half of the faults are of the one that leads, or of what the lock
// is kept in: any of the locks, or a majority of the members themselves. They share a
// ledger and a file, for which a new leader waits until a stopped one lets go of it. With
// a ledger for each in its memory nothing keeps them apart but the lock, and the sink,
// which compares terms: there a write of a stopped leader comes late, and is refused.
//
// The checker, package internal/replay, knows nothing of the program but the wire
// format. It is told where in the file each process began, and what the ledger
// held then, which is read with the ledger's own reader. What the sink refuses for good may be lacking until the end, when all
// dead letters are sent again; then it must be there, or something newer.
//
// A seed decides what is written in which order and which fault begins at which
// write. Real processes decide the rest, so a seed that failed may need a few
// runs to fail again.
package main
