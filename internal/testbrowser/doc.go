// Package testbrowser has a real Chromium open pages for tests, on the loopback only.
//
//	FAIRLEAD_CHROMIUM, PATH ── is it there? ──▶ its path
//	        │ no
//	cache ── fairlead/browser/<system>? ──────▶ its path     Find stops here
//	        │ no                                             ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄
//	apt-get: Debian's, unpacked into the cache ▶ its path     Fetch goes on
//
//	test ── commands in JSON, through a pipe ──▶ Chromium ── HTTP ──▶ the test's server
//
// A test calls Start, Browser.Open, and methods of the Tab. All of them fail the test
// instead of returning an error. One goroutine at a time uses a Tab; several may use one
// Browser. The browser is killed with its test, and keeps its profile in a folder of the
// test.
//
// It speaks to the browser through a pipe (the DevTools protocol with
// --remote-debugging-pipe), so that nothing listens and no library is needed. The browser
// runs without its sandbox, which needs rights that containers do not have: open only what
// the test itself serves.
package testbrowser
