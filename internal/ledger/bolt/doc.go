// Package bolt keeps a ledger in one file, a bbolt database.
//
//	ledger.Ledger ── Apply, one transaction ──▶ Store ──▶ file
//	              ◀── Load ────────────────────
//
//	fairlead/format   the number of this layout
//	fairlead/sum      number and sum of the checksums of all that follows
//	cursors/<cursor>/head
//	cursors/<cursor>/records/<key>
//
// A transaction is durable when Apply returns; one that a crash interrupts has
// not happened.
//
// A new ledger is made in a file beside it, whose name ends in ".being-made".
// What a crash leaves of that is removed by the next Open that makes one, where
// files can be locked.
//
// One process has the file at a time: a second Open fails with ErrLocked. A
// file that is damaged, or written by a newer program, is refused and left as
// it is. The package neither repairs a file nor starts a fresh one in its
// place, because either would lose deletions in silence. Open checks every
// page before bbolt, which trusts them, may look at one; Load checks that
// nothing is missing. What is damaged later, under a running Store, is an error
// of the call that meets it, and of every later one.
//
// A Store is used by one goroutine at a time, but for Size and Path.
package bolt
