// Package testserver starts programs that serve on 127.0.0.1, for tests.
//
//	Prepare ──▶ Server{Args, Ready} ── Start ──▶ it answers ── Kill, Pause ──▶ Start, Resume
//
// A server has its data in a folder of the test's, keeps its port while it is stopped,
// and ends with the test. Which programs there are is the business of other packages.
//
// A [Server] is used by one goroutine at a time.
package testserver
