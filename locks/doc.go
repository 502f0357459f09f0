// Package locks has the record of a leader election stored in different places. A
// lock is an implementation of client-go's resourcelock.Interface, and is of use to
// every program that elects a leader with client-go or controller-runtime.
//
//	elector ── Get, Create, Update ──▶ lock ──▶ record in a Kubernetes API, a database, ...
//
// # Guarantees
//
// Every lock passes the suite in locks/locktest:
//
//   - Update is a compare-and-swap against the record that this lock has seen last.
//     Of several writers at once one wins.
//   - Nothing expires in the backend. How long a record counts is measured by those
//     who watch it, each by its own clock.
//   - Times keep their microseconds, and the bytes that Get returns change with each
//     renewal.
//   - NotFound, AlreadyExists and Conflict are apierrors, and mean just that. Every
//     other failure is another error, also the end of the context, which is obeyed.
//   - No error holds a credential.
//
// A lock that is [Fenced] gives a fencing token, which grows with each term, also when
// the record was deleted. What no lock can do is to keep a process that was stopped
// from writing when it goes on: ask the election before each write, and have the
// destination refuse a lower token. LeaderTransitions of the record is no such token:
// it begins again once the record was deleted.
//
// # A lock of one's own
//
// Implement [Register], a value with compare-and-swap, and hand it to [New]:
//
//	elector ──▶ Lock ── Read, Swap ──▶ Register ──▶ a key, a row, ...
//
// Lock does the rest: the record's form, the outcomes, the token.
//
// # What may run at once
//
// A lock is used by one goroutine at a time. Two locks on one record may be used at
// once, in one process or in several.
//
// # Usage
//
// A lock of a package below this one is made by its New, see locks/lease. A program
// that offers several has a table of each package's Kind, and reads what was chosen
// with [Parse].
package locks
