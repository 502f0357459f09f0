// Command mutants shows that tests notice when a rule is missing: it takes one rule out of
// the product at a time, and runs the test that must fail then.
//
//	go run ./internal/mutants [-run REGEXP] [-list | -page]
//
//	table ── rule: file, text, other text ──▶ overlay ──▶ go test -overlay ... -run TEST
//	                                                        │
//	                         killed: TEST fails  ◀──────────┤
//	                         SURVIVED: it passes ◀──────────┘
//
// The rules are those of the models that the design was made with: of routes, of the ledger, and
// of a lock by a majority of clusters. A rule that has no line of its own in the product has a
// mutant of several edits, or several mutants. README.md beside this shows the table.
//
// Guarantees: the tree stays as it is, since the compiler reads the changed files in place of
// those of the tree. A test counts only if it passes without the mutant. The exit code is 1 if a
// mutant survives, does not compile, or ends its test by a timeout, which says nothing; and if
// a test fails without a mutant, or does not exist.
//
// It trusts the table. `make test` checks that each text occurs once in its file, that each
// test exists, and that each rule is in the table. It does not run the mutants: that takes minutes.
//
// It runs one test at a time, and needs the go command and nothing else: no test of the table
// needs a server.
package main
