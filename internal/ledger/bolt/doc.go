// Package bolt keeps a ledger in one file, a bbolt database.
//
//	ledger.Ledger ── Apply, one transaction ──▶ bolt.Store ──▶ file
//	              ◀── Load ───────────────────
//
// The file holds a format number, and for each cursor a bucket with its head
// and its records. A transaction is durable when Apply returns; one that a
// crash interrupts has not happened.
//
// One process has the file at a time: a second Open fails with ErrLocked. A
// file that is damaged, or written by a newer program, is refused and left as
// it is. The package neither repairs a file nor starts a fresh one in its
// place, because either would lose deletions in silence.
//
// A Store is used by one goroutine at a time.
package bolt
