// Package testpages reads what pages for users show, for the tests that do what they say.
//
//	docs/sinks/otlp.md ── Read ──▶ Page ── Part, Block, After ──▶ a query, run by the test against a real server
//	                                                         └──▶ JQ, which runs one for jq
//
// [Prove] is how a page is tested: a table has what each block begins with, and what proves the
// block. [Commands] reads the blocks for a shell, for a proof that does the same by other means.
//
// So a query that stands on a page is one that a test has run: the test has no copy of it. What
// a page does not have any more ends the test. Programs for jq are run by gojq, so that no test
// depends on what is installed.
//
// # Usage
//
//	func TestPage(t *testing.T) {
//		testpages.Prove(t, "../../docs/sinks/mine.md", map[string]testpages.Proof{
//			"fairlead run ": testpages.By("../../cmd/internal/app", "TestCommandsOfPages"),
//			"CREATE TABLE ": setUp, // func(t *testing.T, block string)
//			"SELECT ":       asks,
//			"HANDLER ":      nil, // no server here knows it
//		})
//	}
//
// The functions may be called concurrently.
package testpages
