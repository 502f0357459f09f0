// Package election lets one of several processes lead, and keeps one that leads
// from acting longer than it may.
//
//	            ┌── renew ──▶ record of a lock ◀── look, take ──┐
//	Election ───┤                                               ├─── Election of another process
//	            └── fence ◀── MayAct, MayStore ── delivery      ┘
//
// The lock is any resourcelock.Interface that passes locks/locktest, such as a Lease
// in the hub. To hold its record is called to hold the lease here. The turns are
// client-go's leaderelection, which by its own words
// does not guarantee that only one process acts. What is added here:
//
//   - A fence. It knows when the request began that last renewed the lease: no
//     other process can have seen that renewal earlier, and none takes the lease
//     until it has seen nothing new for the lease duration. MayAct fails from the
//     renew deadline on, so that what had begun before has the rest of the lease
//     duration to end; it is asked before every single act, so a process that was
//     stopped and goes on does not act on what it knew before. Once failed, always
//     failed: the process has to be started again.
//   - Its own clocks. The age of a renewal is the larger one of the monotonic and
//     the wall clock: the first cannot be set back, the second goes on while the
//     machine sleeps. A wall clock that is set forward by the renew deadline or
//     more ends a term although the lease is held: it looks the same as a machine
//     that has slept, and to act without a lease would be worse. Followers are not
//     touched by it, also those on the same host: they count by the monotonic
//     clock, and the next one leads once the lease duration is over, the process
//     that led having ended to be started again. Let clocks be slewed, or set
//     before the program starts.
//   - Every renewal is seen. client-go tells renewals apart by the second, so of
//     several within one others would count from the first.
//   - Another holder in the record ends the term at once, whatever the clocks say.
//     client-go goes on until its renew deadline.
//   - The lease is released after everything has ended, and only by its holder.
//     client-go's ReleaseOnCancel tells of a loss only after it has tried to
//     release, for up to another renew deadline, and takes the lease out of the
//     hands of whoever holds it by then.
//   - No call to the lock takes longer than half of the renew deadline, so that
//     after one that hangs there is time for another, nor longer than the lease lasts
//     beyond that deadline.
//   - A fencing token for each term, which is the lock's own if it gives tokens.
//
// Two things cannot be excluded: an act that had begun, such as a write on its
// way through the kernel, may end after the process was stopped for longer than
// the lease; and a virtual machine whose clocks both stood still while it did
// learns of it with its next request, a retry period later at most. And whoever
// deletes or edits the record gives it away while it is held.
//
// A manager of controller-runtime can elect too, but starts and stops what it
// runs in an order of its own, and releases the lease before sinks and ledger
// have ended, which are none of its parts.
package election
