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
// microseconds, and the outcomes that client-go's elector asks for are apierrors. The
// fencing tokens of a lock that is locks.Fenced grow with each term, also when the
// record was deleted.
// [RunBroken] checks a lock whose backend fails: it obeys its context, it does not
// take silence for an answer, its errors hold no credentials, and elections go on once
// the backend is repaired.
// [RunElection] has leaders end without a word, with wrong clocks, killed and stopped:
// the next one does not lead early, and the one that goes on does not act.
// [RunHistories] has processes on bad lines lead in turns, and checks what they do to a
// sink by porcupine: one leads at a time, in terms that grow.
//
// The rules say what may not happen, and hold on a slow machine too. What must come
// about is waited for. Each rule is there because of a lock that breaks it, which the
// tests of this package have.
//
// # What is not covered
//
// The wall clock of a process is wrong in what it stores, as RunElection has it. The
// monotonic clock is always that of the machine: one that runs at another rate than the
// others is not tried.
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
//
// The same goes for RunElection and RunHistories. For the processes that RunElection
// stops, a test program starts itself again, and calls [Stand] then:
//
//	func TestMain(m *testing.M) {
//		if identity := os.Getenv("STAND_AS"); identity != "" {
//			lock, err := ... // for this identity, on the record that the environment names
//			if err == nil {
//				err = locktest.Stand(lock, os.Stdin, os.Stdout)
//			}
//			...
//			return
//		}
//		goleak.VerifyTestMain(m)
//	}
package locktest
