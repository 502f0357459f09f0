// Package locktest is the conformance suite of locks: what every implementation of
// client-go's resourcelock.Interface must do so that an election over it is safe,
// whatever stores its record.
//
//	suite ── Create, Update ──▶ lock of process A ──┐
//	                                                ├──▶ one record
//	suite ◀────── Get ───────── lock of process B ──┘
//
// [Run] checks the record and the compare-and-swap of it: one of several writers
// wins, a stale one never does, nothing expires by itself, times keep their
// microseconds, and the outcomes that client-go's elector asks for are apierrors.
// [RunBroken] checks a lock whose backend fails: it obeys its context, it does not
// take silence for an answer, and its errors hold no credentials.
//
// [Memory] is a record in memory that passes the suite. It is the reference, and
// serves as a fake where a test needs an election.
//
// # Usage
//
//	func TestConformance(t *testing.T) {
//		locktest.Run(t, func(t testing.TB) locktest.Backend {
//			name := newName(t) // no record has it yet
//			return locktest.Backend{
//				Open:   func(t testing.TB, identity string) resourcelock.Interface { ... },
//				Delete: func(t testing.TB) { ... },
//			}
//		})
//	}
package locktest
