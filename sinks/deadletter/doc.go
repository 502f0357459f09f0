// Package deadletter keeps the changes that a sink refuses for good, so that
// they hold nothing up and are not lost.
//
// This package is part of Fairlead's engine. Other modules can import it, but its API
// may change at any time.
//
//	batchers ── Write ──▶ PATH ◀── what could not be sent ──┐
//	                       │                                │
//	                       └── Take (rename) ──▶ PATH.retrying, .2, .3 ── Record ──▶ sent again
//	                                                        └── Finish of each lane ──▶ marked;
//	                                                            of the last one ──▶ removed
//
// Each line is one record in JSON: when, which sink, why, after how many
// attempts, and the event as the sink was given it.
//
// What is guaranteed:
//
//   - What Write returned nil for is on the disk. When it fails the file is as
//     it was before, and the change is tried again by its batcher.
//   - A record leaves the files only when Finish is told that it was sent. A
//     crash at any instant leaves it in one of the two, or in both: it may be
//     sent twice, never be lost. Take begins with what a crash left behind.
//   - Several may be taken at a time, of lanes of their own: no record of a
//     lane (sink and cluster) is taken while another one has that lane open. So
//     there are no more of them than lanes, nor than 64, nor than 8 with records of
//     one sink.
//   - What is read back is one event of one cluster: a line that decoders might
//     read differently is told as none, and stays.
//   - What is refused meanwhile, again or anew, goes to PATH.
//   - One process at a time uses a file (an advisory lock), so that nothing is
//     taken from under another.
//
// Write, Reopen and Read may be called from any goroutine at any time, whether
// or not a Take is under way; of these there is one at a time. What a Take has
// taken may be read and ended by any goroutine. Objects are in the file as they
// are, so it is readable by its owner only.
//
// In memory a Taken has 16 bytes of each record. On the disk it has what it took
// until its last lane is ended, also what it has put back.
//
// The package sends nothing itself and does not bound the file. What is sent
// again, and whether it may be, the caller decides.
package deadletter
