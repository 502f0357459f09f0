// Package testpages reads what pages for users show, for the tests that do what they say.
//
//	docs/sinks/otlp.md ── Read ──▶ Page ── Part, Block, After ──▶ a query, run by the test against a real server
//	                                                         └──▶ JQ, which runs one for jq
//
// [Page.Tested] has a list of all blocks of a page, each with its test. [Commands] reads those for a shell
// for a test that does the same by other means, and [Fleet] is what happens in the clusters that
// programs of pages are asked about.
//
// So a query that stands on a page is one that a test has run: the test has no copy of it. What
// a page does not have any more ends the test. Programs for jq are run by gojq, so that no test
// depends on what is installed.
//
// The functions may be called concurrently.
package testpages
