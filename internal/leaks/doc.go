// Package leaks looks for goroutines that tests have left behind, with the patience that a
// busy machine needs: goleak itself waits for less than half a second, in which a connection
// that was closed may not have had its turn.
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(leaks.Patient(m)) }
//
// Nothing is allowed that goleak does not allow. A test program without leaks waits for no
// longer than before.
package leaks
